// Changing several runs at once: what each gets, and one after the other.  Pure.

/** renamed('{name} b{n}', run, 0) -> 'sweep b1': {name}, {id} and {n} (1, 2, ...) stand for those of the run. */
export function renamed(pattern, run, index) {
    const parts = { name: run.name || run.id, id: run.id, n: String(index + 1) };
    return pattern.replace(/\{(name|id|n)\}/g, (_, part) => parts[part]).trim();
}

/**
 * changeOf(run, index, {name, add, remove, note}) -> the body of a PATCH, or null where nothing changes.
 * name: a pattern, '' for no change.  add, remove: lists of tags.  note: goes below what is there.
 */
export function changeOf(run, index, { name = '', add = [], remove = [], note = '' }) {
    const change = {};
    const tags = [...new Set([...(run.tags ?? []).filter(tag => !remove.includes(tag)), ...add])];
    if (name.trim() !== '' && renamed(name, run, index) !== run.name)
        change.name = renamed(name, run, index);
    if (tags.slice().sort().join() !== (run.tags ?? []).slice().sort().join())
        change.tags = tags;
    if (note.trim() !== '')
        change.notes = run.notes ? `${run.notes}\n${note.trim()}` : note.trim();
    return Object.keys(change).length > 0 ? change : null;
}

/**
 * createEach(ids, work) -> send(): work(id, index) for each, one after the other; called again it goes on where it stopped.  A run that is
 * gone is passed over.  What else goes wrong stops it, and the error says how far it came.
 */
export function createEach(ids, work, onProgress = () => {}) {
    let next = 0;
    return async function send() {
        for (; next < ids.length; next++) {
            onProgress(next);
            try {
                await work(ids[next], next);
            } catch (error) {
                if (error.status === 404)
                    continue;
                if (error.status !== 401 && error.code !== 'forbidden')
                    error.message = `${next} of ${ids.length} are done. ${ids[next]}: ${error.message}`;
                throw error;
            }
        }
        onProgress(next);
    };
}
