// What the run page needs, asked one after the other, and only when something changed: the run's
// document is the pulse (304 while idle), the numbers follow when it beats.  Pure but for get().

import { chooseMetric, chooseStage, meanSelector, readCatalogue, seriesOf } from './catalogue.js';
import { evidenceSelectors } from './explain.js';
import { path, runPath } from './api.js';

const POINTS = 1000;
const MEANS_SHOWN = 6;     // charts of weighted means at first; the rest on request
const SELECTORS_MAX = 24;  // in one question: keeps addresses short

/**
 * createLoader(get) -> load(state, signal) -> {run, catalogue, stage, counts, means, shown, chosen,
 * steps, epochs}.  state: {run, stage, metric, more} of the URL.  The same object comes back while
 * nothing changed.  stage null: nothing has been logged.  chosen null: the stage has no counts.
 */
export function createLoader(get) {
    let last = null; // {run (the answer), view (what of the URL matters), data}

    return async function load(state, signal) {
        const run = await get(runPath(state.run), signal);
        const view = JSON.stringify([state.run, state.stage, state.metric, state.more]);
        if (last && last.run === run && last.view === view)
            return last.data;
        const catalogue = readCatalogue(await get('/api/v1/metrics', signal));
        const data = { run, catalogue, stage: chooseStage(run, state.stage), counts: [], means: [], shown: [], chosen: null, steps: null, epochs: null };
        if (data.stage !== null) {
            const series = seriesOf(run, data.stage);
            data.counts = series.counts;
            data.means = series.means;
            data.shown = state.more ? series.means : series.means.slice(0, MEANS_SHOWN);
            data.chosen = chooseMetric(catalogue, series.counts, state.metric);
            Object.assign(data, await numbers(get, data, signal));
        }
        last = { run, view, data };
        return data;
    };
}

async function numbers(get, { run, stage, chosen, shown }, signal) {
    const asked = [...chosen ? [chosen.selector] : [], ...shown.map(s => meanSelector(s.name))];
    const evidence = chosen ? evidenceSelectors(chosen).filter(s => !asked.includes(s)) : [];
    const ask = async (rest, selectors, query) => {
        let answer = null;
        for (let i = 0; i < selectors.length; i += SELECTORS_MAX) {
            const metric = selectors.slice(i, i + SELECTORS_MAX).join(',');
            const part = await get(path(runPath(run.id, rest), { stage, metric, ...query }), signal);
            answer = answer === null ? part : merge(answer, part);
        }
        return answer;
    };
    const epochs = await ask('/epochs', asked, {});
    const steps = await ask('/steps', [...asked, ...evidence], { points: POINTS });
    return { epochs, steps };
}

// Two parts of one question.  Should the run have moved between them, the next pulse repairs it.
function merge(a, b) {
    if (a.epochs) {
        const byEpoch = new Map(b.epochs.map(e => [e.epoch, e]));
        return { ...a, epochs: a.epochs.map(e => ({ ...e, metrics: { ...e.metrics, ...byEpoch.get(e.epoch)?.metrics } })) };
    }
    return { ...a, metrics: { ...a.metrics, ...b.metrics } };
}
