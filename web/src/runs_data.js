// The rows of the runs table, as many as have been scrolled to: one question a tick for the first part, which is
// where runs change; the parts behind it are asked when they come into sight, and anew when the part before has moved.
// Pure but for get().

import { path } from './api.js';

export const FIRST = 100;
const PART = 1000; // the most that the server gives at once

/** createRunsLoader(get) -> load(query, wanted, signal) -> {runs, total, hasMore}.  query: for path(). */
export function createRunsLoader(get) {
    const parts = new Map(); // path -> answer
    let last = null; // {first, count, result}

    return async function load(query, wanted, signal) {
        const first = await get(path('/api/v1/runs', { ...query, limit: wanted <= FIRST ? FIRST : PART }), signal);
        if (last?.first !== first)
            parts.clear();
        let { runs, next_cursor: cursor } = first;
        let count = 1;
        while (cursor && runs.length < wanted) {
            const question = path('/api/v1/runs', { ...query, limit: PART, cursor });
            if (!parts.has(question))
                parts.set(question, await get(question, signal));
            const part = parts.get(question);
            runs = runs.concat(part.runs);
            cursor = part.next_cursor;
            count++;
        }
        // the same object while nothing changed, so that nothing is painted
        if (last && last.first === first && last.count === count)
            return last.result;
        last = { first, count, result: { runs, total: first.total, hasMore: Boolean(cursor) } };
        return last.result;
    };
}
