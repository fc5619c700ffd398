// What the comparison needs: the epochs of all runs, which change with every batch and are the pulse (304 while idle), and
// the curves by step, asked when the pulse beats.  Pure but for get().

import { chooseMetric, chooseStage, meanSelector, metricTitle, readCatalogue, seriesOf, unitOf } from './catalogue.js';
import { path, runPath } from './api.js';
import { parseRuns } from './compare_model.js';

const POINTS = 500;
const POINTS_OF_MANY = 250; // cells are wider then, and the lines calmer: their counts are added
const MANY = 8;
const TRIED_MAX = 5; // runs that are looked at for one that has logged anything

export const COMPARE_KEYS = Object.freeze(['compare', 'stage', 'metric', 'x', 'from', 'to', 'window', 'group']);

/** The questions behind a comparison: {epochs, steps}. */
export function comparePaths(runs, stage, metric, state) {
    const question = { runs: runs.join(','), stage, metric };
    return {
        epochs: path('/api/v1/compare', { ...question, x: 'epoch', group: state.group === '' ? '' : `config.${state.group}`, config: 'true' }),
        steps: path('/api/v1/compare', { ...question, from: state.from, to: state.to, points: runs.length > MANY ? POINTS_OF_MANY : POINTS, window: state.window })
    };
}

/**
 * createCompareLoader(get) -> load(state, signal) -> {ids, missing, first, stage, heads, means, chosen, title, unit, bounds, selector, epochs,
 * lines, paths}.  The same object while nothing changed.  missing: runs of the address that the server does not know.
 * chosen: of chooseMetric(), null for a weighted mean.  lines: the answer that the chart shows; stage null: nothing logged.
 */
export function createCompareLoader(get) {
    let last = null;
    let known = null; // {ids, first}: the run whose series fill the menus
    let catalogue = null;
    const missing = new Set();

    // at first the runs are asked one by one: most of the time the first has it
    async function firstOf(ids, signal) {
        if (known?.ids === ids.join(','))
            return known.first;
        let first = null;
        for (const id of ids.slice(0, TRIED_MAX)) {
            const run = await get(runPath(id), signal).catch(error => {
                if (error.status !== 404)
                    throw error;
                missing.add(id);
                return null;
            });
            first = run && (first === null || run.series.length > 0) ? run : first;
            if (first?.series.length > 0)
                break;
        }
        known = { ids: ids.join(','), first };
        return first;
    }

    const there = asked => asked.filter(id => !missing.has(id));

    // a run that is not there is named by its place in the list: ask again without it
    async function ask(asked, of, signal) {
        for (;;) {
            const ids = there(asked);
            try {
                return await get(of(ids), signal);
            } catch (error) {
                const place = error.status === 404 && /^\?runs\/(\d+)$/.exec(error.errors?.[0]?.pointer ?? '');
                if (!place || ids.length <= 1)
                    throw error;
                missing.add(ids[Number(place[1])]);
            }
        }
    }

    return async function load(state, signal) {
        const view = JSON.stringify(COMPARE_KEYS.map(key => state[key]));
        const asked = parseRuns(state.compare);
        const [metrics, first] = await Promise.all([catalogue ?? get('/api/v1/metrics', signal).then(readCatalogue), firstOf(there(asked), signal)]);
        catalogue = metrics;
        const what = choose(catalogue, first, state);
        const data = () => ({ ids: there(asked), missing: asked.filter(id => missing.has(id)), first, ...what });
        if (what.stage === null) {
            known = null; // look again
            if (last?.view !== view || last.data.first !== first)
                last = { view, data: data() };
            return last.data;
        }
        const of = list => comparePaths(list, what.stage, what.selector, state);
        const isByEpoch = state.x === 'epoch';
        const askLines = () => isByEpoch ? null : ask(asked, list => of(list).steps, signal);
        const isPulse = last?.view === view;
        const [epochs, early] = await Promise.all([ask(asked, list => of(list).epochs, signal), isPulse ? null : askLines()]);
        if (isPulse && last.data.epochs === epochs)
            return last.data;
        const lines = isByEpoch ? epochs : early ?? await askLines();
        last = { view, data: { ...data(), epochs, lines, paths: of(there(asked)) } };
        return last.data;
    };
}

function choose(catalogue, first, state) {
    const stage = first && first.series.length > 0 ? chooseStage(first, state.stage) : null;
    if (stage === null)
        return { stage: null };
    const { heads, means } = seriesOf(first, stage);
    const mean = means.find(s => meanSelector(s.name) === state.metric);
    const chosen = mean ? null : chooseMetric(catalogue, heads, state.metric);
    const shown = mean ?? (chosen ? null : means[0]);
    return {
        stage, heads, means, catalogue, chosen, run: first,
        selector: chosen?.selector ?? meanSelector(shown.name), title: chosen ? metricTitle(chosen) : shown.name,
        unit: chosen ? unitOf(chosen.entry) : 'number', bounds: chosen?.entry.range ?? null
    };
}
