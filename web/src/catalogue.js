// What can be asked of a stage: the metric catalogue (GET /api/v1/metrics) against the series that a
// run has.  A metric that the stored counts cannot give stays in the menu, disabled, with the reason.
// Pure.

const AVERAGES = ['micro', 'macro', 'weighted', 'none'];
const STAGES_PREFERRED = ['val', 'test', 'train'];
// fbeta needs a number; these two are what people ask for
const BETAS = ['0.5', '2'];

/** The stages of a run, the preferred ones first. */
export function stagesOf(run) {
    const names = [...new Set(run.series.map(s => s.stage))];
    const rank = name => {
        const i = STAGES_PREFERRED.indexOf(name);
        return i < 0 ? STAGES_PREFERRED.length : i;
    };
    return names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
}

/** The stage to show: the one asked for if the run has it, else the preferred one; null: no stage yet. */
export function chooseStage(run, asked) {
    const stages = stagesOf(run);
    return stages.includes(asked) ? asked : stages[0] ?? null;
}

/** The kind of state behind a form; the forms of counts share one. */
export function kindOf(form) {
    return ['totals', 'classes', 'confusion'].includes(form) ? 'counts' : form;
}

/**
 * The names of a stage that have metrics, main first, and the weighted means, loss first.  A name is shown
 * as its counts, or as the first other state it has; `kinds` says all that is logged under it.
 */
export function seriesOf(run, stage) {
    const ofStage = run.series.filter(s => s.stage === stage);
    const first = word => (a, b) => (b.name === word) - (a.name === word) || (a.name < b.name ? -1 : 1);
    const means = ofStage.filter(s => s.form === 'mean').sort(first('loss'));
    const byName = new Map();
    for (const s of ofStage.filter(x => x.form !== 'mean'))
        byName.set(s.name, [...byName.get(s.name) ?? [], s]);
    const counts = [...byName.values()].map(states => ({
        ...states.find(s => kindOf(s.form) === 'counts') ?? states[0],
        kinds: [...states.map(s => kindOf(s.form)), ...states[0].name === 'main' && means.some(m => m.name === 'nll') ? ['mean'] : []]
    }));
    return { counts: counts.sort(first('main')), means };
}

/** 'parity:fbeta@2.macro' -> {series, metric, arg, average}; average '' where none was written. */
export function parseSelector(selector) {
    const colon = selector.indexOf(':');
    const series = colon < 0 ? 'main' : selector.slice(0, colon);
    let rest = colon < 0 ? selector : selector.slice(colon + 1);
    let average = '';
    const dot = rest.lastIndexOf('.');
    if (dot >= 0 && AVERAGES.includes(rest.slice(dot + 1))) {
        average = rest.slice(dot + 1);
        rest = rest.slice(0, dot);
    }
    const at = rest.indexOf('@');
    return { series, metric: at < 0 ? rest : rest.slice(0, at), arg: at < 0 ? '' : rest.slice(at + 1), average };
}

export function formatSelector({ series, metric, arg, average }) {
    return (series === 'main' ? '' : series + ':') + metric + (arg ? '@' + arg : '') + (average ? '.' + average : '');
}

/** The selector of a weighted mean; the suffix keeps a series called `accuracy` apart from the metric. */
export const meanSelector = name => name + ':mean';

function find(catalogue, name) {
    return catalogue.metrics.find(m => m.name === name) ?? null;
}

/** Does this average need a choice?  Binary tasks and mcc, kappa have one value. */
export function hasAverages(entry, series) {
    return entry.averages.length > 0 && series.task !== 'binary';
}

// What metric_check() of the server says, in the page's words; a browser test compares the two.
const FROM_TOTALS = ['accuracy', 'hamming'];
const FROM_TOTALS_MULTICLASS = [...FROM_TOTALS, 'recall', 'precision', 'f1', 'fbeta'];
const NOT_MULTILABEL = ['balanced_accuracy', 'kappa'];
const SEND = {
    counts: 'no counts were logged; send correct and total, tp, fp and fn, or confusion',
    scores: 'needs score histograms; send scores',
    calibration: 'needs calibration bins; send calibration',
    exact: 'needs exact matches; send exact',
    regression: 'needs regression moments; send regression',
    mean: 'needs the log-likelihood of main; send sums nll: [sum, tokens]'
};

/**
 * Why a series cannot give a metric as one line; null if it can.  It names the field to send.
 * entry: of the catalogue.  average: '' where the metric has no choice.  series: of the run document.
 */
export function whyNot(entry, arg, average, series) {
    const { form, task } = series;
    const kind = entry.kind ?? 'counts';
    if (!(series.kinds ?? [kindOf(form)]).includes(kind))
        return SEND[kind];
    if (average === 'none' && task !== 'binary')
        return 'one value per class, not one line';
    if (kind === 'scores' && task === 'multiclass' && average === 'micro')
        return 'not defined for multiclass';
    if (kind !== 'counts')
        return null;
    if (task === 'multilabel' && NOT_MULTILABEL.includes(entry.name))
        return 'not defined for multilabel';
    if (form === 'totals') {
        const isOneRatio = entry.averages.length > 0 && (task === 'binary' || (average || entry.default_average) === 'micro');
        if (!isOneRatio || !(task === 'multiclass' ? FROM_TOTALS_MULTICLASS : FROM_TOTALS).includes(entry.name))
            return 'only totals were logged; send tp, fp and fn, or confusion';
    }
    if (form === 'classes' && task === 'multiclass' && series.num_classes !== 2
        && entry.name === 'kappa' && (arg === 'linear' || arg === 'quadratic'))
        return 'needs the matrix; send confusion or cells';
    return null;
}

/** The selector to start with: macro accuracy where the classes are known, else what there is. */
export function defaultSelector(counts) {
    if (counts.length === 0)
        return null;
    const series = counts[0];
    const average = series.form !== 'totals' && series.task !== 'binary' ? 'macro' : '';
    return formatSelector({ series: series.name, metric: 'accuracy', arg: '', average });
}

/**
 * Resolve what the URL asks for against what the stage has.
 * Returns {selector, series, entry, arg, average} or null if the stage has no counts.
 */
export function chooseMetric(catalogue, counts, asked) {
    for (const selector of [asked, defaultSelector(counts), firstPossible(catalogue, counts)]) {
        if (!selector)
            continue;
        const parsed = parseSelector(selector);
        const series = counts.find(s => s.name === parsed.series);
        const entry = find(catalogue, parsed.metric);
        if (!series || !entry)
            continue;
        const averages = hasAverages(entry, series) ? entry.averages : [];
        const average = averages.length === 0 ? '' : averages.includes(parsed.average) ? parsed.average : entry.default_average;
        const arg = entry.argument === 'none' ? '' : parsed.arg;
        if (entry.argument === 'beta' && !(Number(arg) > 0))
            continue;
        if (whyNot(entry, arg, average, series) !== null)
            continue;
        // written as short as the default allows: equal questions have equal addresses
        const written = average === entry.default_average ? '' : average;
        return { selector: formatSelector({ series: series.name, metric: entry.name, arg, average: written }), series, entry, arg, average };
    }
    return null;
}

// where no counts were logged: the first metric that the first name can give
function firstPossible(catalogue, counts) {
    for (const series of counts)
        for (const entry of catalogue.metrics) {
            const average = hasAverages(entry, series) ? entry.default_average : '';
            if (entry.argument !== 'beta' && whyNot(entry, '', average, series) === null)
                return formatSelector({ series: series.name, metric: entry.name, arg: '', average });
        }
    return null;
}

/** The rows of the metric menu: {value, label, disabled} where value is metric[@arg]. */
export function metricMenu(catalogue, chosen) {
    const rows = [];
    for (const entry of catalogue.metrics) {
        const args = entry.argument === 'beta' ? withChosen(BETAS, entry, chosen)
            : entry.argument === 'name' ? ['', ...entry.arg_names.slice(1)] : [''];
        for (const arg of args) {
            // an average that fits is enough: choosing the metric moves the average along
            const averages = hasAverages(entry, chosen.series) ? entry.averages : [''];
            const reasons = averages.map(average => whyNot(entry, arg, average, chosen.series));
            const isPossible = reasons.includes(null);
            rows.push({
                value: entry.name + (arg ? '@' + arg : ''),
                label: title(entry, arg) + (isPossible ? '' : ` (${reasons[0]})`),
                disabled: !isPossible
            });
        }
    }
    return rows;
}

function withChosen(betas, entry, chosen) {
    const all = chosen.entry.name === entry.name && chosen.arg && !betas.includes(chosen.arg) ? [...betas, chosen.arg] : betas;
    return all.slice().sort((a, b) => a - b);
}

/** The rows of the average menu; empty where there is nothing to choose. */
export function averageMenu(chosen) {
    if (!hasAverages(chosen.entry, chosen.series))
        return [];
    return chosen.entry.averages.map(average => {
        const reason = whyNot(chosen.entry, chosen.arg, average, chosen.series);
        return { value: average, label: average + (reason ? ` (${reason})` : ''), disabled: reason !== null };
    });
}

/** The selector after choosing a metric in the menu: the average is kept if the metric has it. */
export function withMetric(catalogue, chosen, value) {
    const at = value.indexOf('@');
    const metric = at < 0 ? value : value.slice(0, at);
    const arg = at < 0 ? '' : value.slice(at + 1);
    const entry = find(catalogue, metric);
    const possible = hasAverages(entry, chosen.series)
        ? entry.averages.filter(average => whyNot(entry, arg, average, chosen.series) === null) : [];
    const average = possible.includes(chosen.average) ? chosen.average
        : possible.includes(entry.default_average) ? entry.default_average : possible[0] ?? '';
    return formatSelector({ series: chosen.series.name, metric, arg, average });
}

function title(entry, arg) {
    return (entry.title || entry.name) + (arg ? ` @ ${arg}` : '');
}

/** "Accuracy, macro", "F-beta @ 2": the words above the chart. */
export function metricTitle(chosen) {
    return title(chosen.entry, chosen.arg) + (chosen.average ? `, ${chosen.average}` : '')
        + (chosen.series.name === 'main' ? '' : ` of ${chosen.series.name}`);
}

/** Percent where the values lie in 0 .. 1, else plain numbers. */
export function unitOf(entry) {
    return entry.range[0] === 0 && entry.range[1] === 1 ? 'percent' : 'number';
}

// the word by which the catalogue says that a metric needs a number after the @
const BETA = '<beta>';

/**
 * The catalogue as this page uses it: {metrics:[{name, title, kind, argument: 'none' | 'beta' | 'name', arg_names,
 * averages, default_average, range: [low, high] with null where open, formula}]}.
 */
export function readCatalogue(answer) {
    return {
        metrics: answer.metrics.map(m => ({
            name: m.name,
            title: m.title,
            kind: m.kind,
            argument: m.arguments.length === 0 ? 'none' : m.arguments[0] === BETA ? 'beta' : 'name',
            arg_names: m.arguments,
            averages: m.averages,
            default_average: m.default ?? '',
            range: m.range,
            formula: m.formula
        }))
    };
}
