// The commands that empty views offer to copy.  Pure: the address of the server is handed in.

/** A text as one word of a POSIX shell. */
export function shellQuote(text) {
    return `'${String(text).replace(/'/g, "'\\''")}'`;
}

const RECORD = { stage: 'test', epoch: 0, step: 0, confusion: [[23, 9], [0, 0]], sums: { loss: [20.5, 32] } };

/** getCommand(origin, path, needsToken): the request behind what is shown. */
export function getCommand(origin, path, needsToken = false) {
    return `curl${needsToken ? ' -H "Authorization: Bearer $TALLY_TOKEN"' : ''} ${shellQuote(origin + path)}`;
}

/**
 * postBatch({origin, run, project, stage, needsToken}): log one batch to a run.
 * The token is named as a variable, never written out.
 */
export function postBatch({ origin, run = 'catdog', project = '', stage = 'test', needsToken = false }) {
    const query = project && project !== 'default' ? `?project=${encodeURIComponent(project).replace(/'/g, '%27')}` : '';
    const url = `${origin}/api/v1/runs/${run}/batches${query}`;
    return [
        `curl ${/[?&']/.test(url) ? shellQuote(url) : url}`,
        ...needsToken ? ['-H "Authorization: Bearer $TALLY_TOKEN"'] : [],
        `--json ${shellQuote(JSON.stringify({ ...RECORD, stage }))}`
    ].join(' \\\n  ');
}
