// The columns of the runs table: which selectors the list is asked for, and what a row shows.  Pure.

// where the row's numbers come from unless the URL names a stage: the first that has any
const STAGES = ['val', 'test', 'train'];
export const FIELDS = ['epoch', 'samples', 'accuracy', 'accuracy.macro', 'loss'];

const column = (stage, field) => `${stage}/${field}@last`;

/** Stages to look at, in order. */
export function stagesAsked(stage) {
    return stage === '' ? STAGES : [stage];
}

/** The value of columns= for a list. */
export function columnsQuery(stage) {
    return stagesAsked(stage).flatMap(s => FIELDS.map(field => column(s, field))).join(',');
}

/**
 * rowOf(run, stage) -> {stage, epoch, samples, accuracy, 'accuracy.macro', loss}: all of one stage, the
 * first that has a value; stage null where none has.
 */
export function rowOf(run, stage) {
    const columns = run.columns ?? {};
    for (const s of stagesAsked(stage)) {
        const values = FIELDS.map(field => columns[column(s, field)] ?? null);
        if (values.some(value => value !== null))
            return { stage: s, ...Object.fromEntries(FIELDS.map((field, i) => [field, values[i]])) };
    }
    return { stage: null, ...Object.fromEntries(FIELDS.map(field => [field, null])) };
}

/** The stage that sorting by a metric uses: one for all rows, or they could not be compared. */
export function sortStage(runs, stage) {
    if (stage !== '')
        return stage;
    return STAGES.find(s => runs.some(run => rowOf(run, s).stage !== null)) ?? STAGES[0];
}

export const sortKey = (stage, field) => column(stage, field);

/** Click on a header: descending first for numbers, then the other way. */
export function nextSort(current, key, descendingFirst) {
    if (current === '-' + key)
        return key;
    if (current === key)
        return '-' + key;
    return descendingFirst ? '-' + key : key;
}
