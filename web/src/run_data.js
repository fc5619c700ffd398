// What the run page needs, asked only when something changed: the run's document is the pulse (304 while
// idle), the numbers follow when it beats.  Pure but for get().

import { chooseMetric, chooseStage, meanSelector, readCatalogue, seriesOf, viewsOf } from './catalogue.js';
import { path, runPath } from './api.js';

const POINTS = 1000;
const MEANS_SHOWN = 6;     // charts of weighted means at first; the rest on request
const SELECTORS_MAX = 24;  // in one question: keeps addresses short
const LONG = 20000;        // batches whose mean of steps takes the server a while, on the first ask
const KNOWN_MAX = 32;      // answers kept of one state of a run

/** What of the URL decides which numbers are asked for. */
export const VIEW_KEYS = Object.freeze(['run', 'stage', 'metric', 'more', 'view', 'from', 'to', 'window', 'x', 'rank']);

/**
 * createLoader(get) -> load(state, signal) -> {run, catalogue, stage, heads, means, shown, chosen, views,
 * view, steps, epochs, ranks (how many took part in the last epoch), origin, whole, isPartial, zoom: {from, to}}.  state: of the URL.  The same object comes back while
 * nothing changed.  stage null: nothing has been logged.  chosen null: the stage has nothing but means.
 * origin: when the stage began, ms.  views: those that the
 * stage has; view: the one asked for if it is among them.  steps null where the view shows none.
 * isPartial: the epochs of a long run have no mean of steps yet; load again at once.
 *
 * load.ahead(state): ask for what another choice needs now, before the page has painted that it was made.
 */
export function createLoader(get) {
    let last = null; // {run (the answer), view (what of the URL matters), data}
    let catalogue = null;
    const seen = new Set(); // the metrics whose mean of steps was asked for
    let answers = { run: null, stage: null, known: new Map() }; // what the same run has been asked: a zoom asks for steps only

    const viewOf = state => JSON.stringify(VIEW_KEYS.map(key => state[key]));
    const meanOf = data => `${data.stage} ${data.chosen?.selector}`;

    // one question of a state of a run is asked once, unless it was given up; known: question -> {answer: a promise, signal}
    const askOnce = signal => {
        const { known } = answers;
        return question => {
            if (known.size > KNOWN_MAX)
                known.clear();
            if (!known.has(question) || known.get(question).signal?.aborted) {
                const asked = { answer: get(question, signal), signal };
                known.set(question, asked);
                asked.answer.then(() => { asked.signal = undefined; }, () => known.get(question) === asked && known.delete(question));
            }
            return known.get(question).answer;
        };
    };

    // what is to be shown, without its numbers
    function plan(run, state, isSecond) {
        const stage = chooseStage(run, state.stage);
        const data = { run, catalogue, stage, heads: [], means: [], shown: [], chosen: null, views: [], view: 'charts', steps: null, epochs: null, ranks: 1, origin: undefined, isPartial: false, zoom: { from: state.from, to: state.to } };
        if (stage === null)
            return data;
        const series = seriesOf(run, stage);
        data.heads = series.heads;
        data.means = series.means;
        data.chosen = chooseMetric(catalogue, series.heads, state.metric);
        data.views = viewsOf(data.chosen);
        data.view = data.views.some(v => v.view === state.view) ? state.view : 'charts';
        data.shown = data.view !== 'charts' ? [] : state.more ? series.means : series.means.slice(0, MEANS_SHOWN);
        data.isPartial = !isSecond && data.view === 'charts' && data.chosen?.series.batches > LONG && !seen.has(meanOf(data));
        return data;
    }

    async function load(state, signal) {
        const view = viewOf(state);
        // another choice is answered from the run as it was a moment ago; the next pulse looks again
        const isSecond = last?.view === view && last.data.isPartial;
        const [run, metrics] = await Promise.all([
            last && (last.view !== view || isSecond) ? last.run : get(runPath(state.run), signal),
            catalogue ?? get('/api/v1/metrics', signal).then(readCatalogue)
        ]);
        catalogue = metrics;
        if (last && last.run === run && last.view === view && !isSecond)
            return last.data;
        const data = plan(run, state, isSecond);
        if (answers.run !== run || answers.stage !== data.stage)
            answers = { run, stage: data.stage, known: new Map() };
        if (data.stage !== null) {
            Object.assign(data, await numbers(askOnce(signal), data, state));
            seen.add(meanOf(data));
        }
        last = { run, view, data };
        return data;
    }

    load.ahead = state => {
        if (!last || last.data.run.id !== state.run || last.view === viewOf(state) || answers.run !== last.run)
            return;
        const data = plan(last.run, state, false);
        if (data.stage !== null && data.stage === answers.stage)
            numbers(askOnce(), data, state).catch(() => {}); // load() meets the error when it asks
    };
    return load;
}

async function numbers(once, { run, stage, chosen, shown, view, isPartial }, state) {
    const selectors = [...chosen ? [chosen.selector] : [], ...shown.map(s => meanSelector(s.name))];
    const question = (rest, part, query) => path(runPath(run.id, rest), { stage, metric: part.join(','), rank, ...query });
    const isCharts = view === 'charts';
    const rank = isCharts ? state.rank : '';
    const ask = async (rest, query) => {
        let answer = null;
        for (let i = 0; i < selectors.length; i += SELECTORS_MAX) {
            const asked = question(rest, selectors.slice(i, i + SELECTORS_MAX), query);
            const part = await once(asked);
            answer = answer === null ? part : merge(answer, part);
        }
        return answer;
    };
    const zoom = { from: state.from, to: state.to, points: POINTS, window: state.window };
    const isZoomed = state.from !== '' || state.to !== '';
    const lastEpoch = run.series.reduce((most, s) => s.stage === stage ? Math.max(most, s.last_epoch ?? -1) : most, -1);
    const [epochs, steps, first, whole, together] = await Promise.all([
        ask('/epochs', isPartial ? { mean_of_steps: 'false' } : {}),
        isCharts ? ask('/steps', zoom) : null,
        // the relative time counts from the start of the stage, which a zoom may not hold
        isCharts && state.x === 'relative' && state.from !== '' ? once(question('/steps', selectors.slice(0, 1), { points: 1 })) : null,
        // samples are counted from the start too
        isCharts && state.x === 'samples' && isZoomed ? once(question('/steps', selectors.slice(0, 1), { points: POINTS })) : null,
        // one rank does not say how many there are
        rank !== '' ? once(question('/epochs', selectors.slice(0, 1), { rank: '', epoch: lastEpoch, mean_of_steps: 'false' })) : null
    ]);
    const ranks = ((together ?? epochs)?.epochs ?? []).slice(-1)[0]?.ranks ?? 1;
    return { ranks, epochs, steps, whole: whole ?? undefined, origin: (first ?? steps)?.time[0] };
}

/** The questions behind a chart, for people: {steps, epochs}. */
export function chartPaths(run, stage, selector, state) {
    const of = (rest, query) => path(runPath(run, rest), { stage, metric: selector, rank: state.rank, ...query });
    return { epochs: of('/epochs', {}), steps: of('/steps', { from: state.from, to: state.to, points: POINTS, window: state.window }) };
}

// Two parts of one question.  Should the run have moved between them, the next pulse repairs it.
function merge(a, b) {
    if (a.epochs) {
        const byEpoch = new Map(b.epochs.map(e => [e.epoch, e]));
        return { ...a, epochs: a.epochs.map(e => ({ ...e, metrics: { ...e.metrics, ...byEpoch.get(e.epoch)?.metrics } })) };
    }
    return { ...a, metrics: { ...a.metrics, ...b.metrics } };
}
