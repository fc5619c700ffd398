// What the runs table can show beside its columns: the config keys that differ, and small curves.

import { html, useMemo } from './preact.js';
import { path } from './api.js';
import { useAnswer } from './hooks.js';
import { configTable, linesRange, RUNS_MAX } from './compare_model.js';

const KEYS_MAX = 16;
const SPARK_MS = 10000;
const WIDTH = 110;
const HEIGHT = 30;

/** The config keys in which the first runs of a list differ, as columns; [] while it is not asked for. */
export function useDiffering(isAsked, runs) {
    const ids = runs.slice(0, RUNS_MAX).map(run => run.id);
    // a stage that no run has: configs only
    const question = isAsked && ids.length > 1 ? path('/api/v1/compare', { runs: ids.join(','), stage: 'config-only', config: 'true' }) : null;
    const { data } = useAnswer(question, null);
    return useMemo(() => isAsked && data ? configTable(data.runs).keys.filter(key => !/[,\s]/.test(key)).slice(0, KEYS_MAX).map(key => `config.${key}`) : [], [isAsked, data]);
}

/** Curves of the runs in sight, an epoch a point: Map of id -> {x, values, range}; each from its first epoch to its last, all on one scale; null while not asked for. */
export function useSparks(what, runs, pulse) {
    const ids = runs.map(run => run.id);
    const question = what && ids.length > 0 ? path('/api/v1/compare', { runs: ids.join(','), stage: what.stage, metric: what.selector, x: 'epoch' }) : null;
    const { data } = useAnswer(question, pulse, SPARK_MS);
    return useMemo(() => {
        if (!what || !data)
            return null;
        const lines = data.runs.map(run => ({ id: run.run, values: run.metrics[what.selector]?.value ?? [] }));
        const range = linesRange(lines, data.x, -Infinity, Infinity, false);
        return new Map(lines.map(line => [line.id, { x: data.x, values: line.values, range }]));
    }, [what, data]);
}

export function Spark({ spark, name }) {
    if (!spark?.range)
        return html`<td class="spark"></td>`;
    const { x, values, range: [low, high] } = spark;
    const own = x.flatMap((at, i) => typeof values[i] === 'number' ? [[at, values[i]]] : []);
    if (own.length === 0)
        return html`<td class="spark"></td>`;
    const span = own[own.length - 1][0] - own[0][0];
    const points = (span > 0 ? own : [...own, ...own]).map(([at, v], i) => `${((span > 0 ? (at - own[0][0]) / span : i) * WIDTH).toFixed(1)},${((high - v) / (high - low) * HEIGHT).toFixed(1)}`);
    return html`<td class="spark"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Curve of ${name}"><polyline points=${points.join(' ')} /></svg></td>`;
}

/** sparkOf(columns, runs, stage) -> {stage, selector}: of the first column that is a metric, else what the usual columns show. */
export function sparkOf(columns, stage, row) {
    for (const column of columns) {
        const [, of, selector] = /^([A-Za-z0-9][A-Za-z0-9._-]*)\/(.+)@[a-z0-9]+$/.exec(column) ?? [];
        if (of && of !== 'config')
            return { stage: of, selector };
    }
    return { stage, selector: row && row.accuracy === null && row.loss !== null ? 'loss' : 'accuracy' };
}
