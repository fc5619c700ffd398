// What can be asked of a stage: the metric catalogue (GET /api/v1/metrics) against the series that a
// run has.  A metric whose state was not logged stays in the menu, disabled, with the field to send.
//
// A head is what the menu of series offers: one name with the states logged under it.  Each metric reads
// one kind of state; perplexity reads a weighted mean that is called nll, in the head main too.
// Pure.

const AVERAGES = ['micro', 'macro', 'weighted', 'none'];
const STAGES_PREFERRED = ['val', 'test', 'train'];
// fbeta needs a number; these two are what people ask for
const BETAS = ['0.5', '2'];
const NLL = 'nll';

// How much of the counts a series holds; the other kinds have one form each, named as the kind.
const COUNTS_FORMS = ['totals', 'classes', 'confusion'];
const KINDS = ['counts', 'exact', 'scores', 'calibration', 'regression', 'mean'];
const KIND_TITLES = {
    counts: 'Counts', exact: 'Exact match', scores: 'Score histograms', calibration: 'Calibration', regression: 'Regression', mean: 'Language model'
};
// what to send to have a kind
const FIELDS = {
    counts: 'correct and total, or confusion', exact: 'exact', scores: 'scores', calibration: 'calibration', regression: 'regression', mean: 'sums: {"nll": [sum, tokens]}'
};
// the metric that a head starts with
const FIRST = { counts: 'accuracy', exact: 'exact_match', scores: 'auroc', calibration: 'ece', regression: 'rmse', mean: 'perplexity' };

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

/** The kind of state that a series holds. */
export function kindOf(series) {
    return COUNTS_FORMS.includes(series.form) ? 'counts' : series.form;
}

/**
 * seriesOf(run, stage) -> {heads: [{name, states: {kind: series}}], means: [series]}: main first among the
 * heads, loss first among the weighted means.
 */
export function seriesOf(run, stage) {
    const ofStage = run.series.filter(s => s.stage === stage);
    const first = word => (a, b) => (b.name === word) - (a.name === word) || (a.name < b.name ? -1 : 1);
    const heads = new Map();
    const put = (name, kind, series) => {
        if (!heads.has(name))
            heads.set(name, { name, states: {} });
        heads.get(name).states[kind] = series;
    };
    for (const series of ofStage) {
        const kind = kindOf(series);
        if (kind !== 'mean')
            put(series.name, kind, series);
        else if (series.name === NLL || series.name.endsWith('/' + NLL))
            put(series.name === NLL ? 'main' : series.name, kind, series);
    }
    return { heads: [...heads.values()].sort(first('main')), means: ofStage.filter(s => s.form === 'mean').sort(first('loss')) };
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

const taskOf = head => KINDS.map(kind => head.states[kind]?.task).find(Boolean) ?? 'multiclass';

/** Is there an average to choose?  Binary tasks and mcc, kappa have one value. */
export function hasAverages(entry, head) {
    return entry.averages.length > 0 && (head.states[entry.kind]?.task ?? taskOf(head)) !== 'binary';
}

// The form that a choice needs of a series of a task; null: the task has no such metric.
function needOf(entry, arg, average, task) {
    const need = entry.needs[task];
    if (need === null || typeof need === 'string')
        return need;
    return need[average || entry.default_average || arg || entry.arg_names[0]] ?? null;
}

/**
 * Why a head cannot give a metric as one line; null if it can.  It names the field to send.
 * entry: of the catalogue.  average: '' where the metric has no choice.
 */
export function whyNot(entry, arg, average, head) {
    const series = head.states[entry.kind];
    const task = series?.task ?? taskOf(head);
    const need = needOf(entry, arg, average, task);
    if (need === null)
        return `not defined for ${task}`;
    if (!series)
        return `not logged; send ${FIELDS[entry.kind]}`;
    if (average === 'none' && hasAverages(entry, head))
        return 'one value per class, not one line';
    // the matrix of two classes follows from the counts per class
    const has = series.form === 'classes' && series.num_classes === 2 && task === 'multiclass' ? 'confusion' : series.form;
    if (COUNTS_FORMS.indexOf(has) >= COUNTS_FORMS.indexOf(need))
        return null;
    return has === 'totals' ? 'only totals were logged; send tp, fp and fn, or confusion' : 'needs the matrix; send confusion or cells';
}

/** The selector that a head starts with: macro accuracy where the classes are known, else what there is. */
export function headSelector(head) {
    const kind = KINDS.find(k => head.states[k]);
    const { form, task } = head.states[kind];
    const average = kind === 'counts' && form !== 'totals' && task !== 'binary' ? 'macro' : '';
    return formatSelector({ series: head.name, metric: FIRST[kind], arg: '', average });
}

/**
 * Resolve what the URL asks for against what the stage has.
 * Returns {selector, head, series, entry, arg, average} or null if the stage has no head.
 */
export function chooseMetric(catalogue, heads, asked) {
    for (const selector of [asked, ...heads.slice(0, 1).map(headSelector)]) {
        if (!selector)
            continue;
        const parsed = parseSelector(selector);
        const head = heads.find(h => h.name === parsed.series);
        const entry = find(catalogue, parsed.metric);
        if (!head || !entry)
            continue;
        const averages = hasAverages(entry, head) ? entry.averages : [];
        const average = averages.length === 0 ? '' : averages.includes(parsed.average) ? parsed.average : entry.default_average;
        const arg = entry.argument === 'none' ? '' : parsed.arg;
        if (entry.argument === 'beta' && !(Number(arg) > 0))
            continue;
        if (whyNot(entry, arg, average, head) !== null)
            continue;
        // written as short as the default allows: equal questions have equal addresses
        const written = average === entry.default_average ? '' : average;
        return {
            selector: formatSelector({ series: head.name, metric: entry.name, arg, average: written }),
            head, series: head.states[entry.kind], entry, arg, average
        };
    }
    return null;
}

/**
 * The metric menu, one group for each kind of state: [{label, options: [{value, label, disabled}]}] where
 * value is metric[@arg].  What is logged comes first; a kind that is not says so once, in the group's label.
 */
export function metricMenu(catalogue, chosen) {
    const { head } = chosen;
    const kinds = [...KINDS.filter(k => head.states[k]), ...KINDS.filter(k => !head.states[k])];
    return kinds.map(kind => ({
        label: KIND_TITLES[kind] + (head.states[kind] ? '' : ` (not logged; send ${FIELDS[kind]})`),
        options: catalogue.metrics.filter(entry => entry.kind === kind).flatMap(entry => optionsOf(entry, chosen))
    })).filter(group => group.options.length > 0);
}

function optionsOf(entry, chosen) {
    const { head } = chosen;
    const args = entry.argument === 'beta' ? withChosen(BETAS, entry, chosen)
        : entry.argument === 'name' ? ['', ...entry.arg_names.slice(1)] : [''];
    return args.map(arg => {
        // an average that fits is enough: choosing the metric moves the average along
        const reasons = (hasAverages(entry, head) ? entry.averages : ['']).map(average => whyNot(entry, arg, average, head));
        const isPossible = reasons.includes(null);
        return {
            value: entry.name + (arg ? '@' + arg : ''),
            label: title(entry, arg) + (isPossible || !head.states[entry.kind] ? '' : ` (${reasons[0]})`),
            disabled: !isPossible
        };
    });
}

function withChosen(betas, entry, chosen) {
    const all = chosen.entry.name === entry.name && chosen.arg && !betas.includes(chosen.arg) ? [...betas, chosen.arg] : betas;
    return all.slice().sort((a, b) => a - b);
}

/** The views that the states of a head allow: [{view, name}].  chosen: null where there are means only. */
export function viewsOf(chosen) {
    const { counts, scores, calibration } = chosen?.head.states ?? {};
    const views = [{ view: 'charts', name: 'Charts' }];
    if (counts && counts.form !== 'totals')
        views.push({ view: 'classes', name: 'Classes' });
    if (counts?.form === 'confusion' || counts?.task === 'binary' && counts.form !== 'totals')
        views.push({ view: 'confusion', name: 'Confusion matrix' });
    if (scores || calibration)
        views.push({ view: 'curves', name: 'Curves' });
    return views;
}

/** The rows of the average menu; empty where there is nothing to choose. */
export function averageMenu(chosen) {
    if (!hasAverages(chosen.entry, chosen.head))
        return [];
    return chosen.entry.averages.map(average => {
        const reason = whyNot(chosen.entry, chosen.arg, average, chosen.head);
        return { value: average, label: average + (reason ? ` (${reason})` : ''), disabled: reason !== null };
    });
}

/** The selector after choosing a metric in the menu: the average is kept if the metric has it. */
export function withMetric(catalogue, chosen, value) {
    const at = value.indexOf('@');
    const metric = at < 0 ? value : value.slice(0, at);
    const arg = at < 0 ? '' : value.slice(at + 1);
    const entry = find(catalogue, metric);
    const possible = hasAverages(entry, chosen.head)
        ? entry.averages.filter(average => whyNot(entry, arg, average, chosen.head) === null) : [];
    const average = possible.includes(chosen.average) ? chosen.average
        : possible.includes(entry.default_average) ? entry.default_average : possible[0] ?? '';
    return formatSelector({ series: chosen.head.name, metric, arg, average });
}

function title(entry, arg) {
    return (entry.title || entry.name) + (arg ? ` @ ${arg}` : '');
}

/** "Accuracy, macro", "F-beta @ 2": the words above the chart. */
export function metricTitle(chosen) {
    return title(chosen.entry, chosen.arg) + (chosen.average ? `, ${chosen.average}` : '')
        + (chosen.head.name === 'main' ? '' : ` of ${chosen.head.name}`);
}

/** Percent where the values lie in 0 .. 1, else plain numbers. */
export function unitOf(entry) {
    return entry.range[0] === 0 && entry.range[1] === 1 ? 'percent' : 'number';
}

// the word by which the catalogue says that a metric needs a number after the @
const BETA = '<beta>';

/**
 * The catalogue as this page uses it: {metrics:[{name, title, kind, needs: {task: form, or forms by average or
 * argument}, argument: 'none' | 'beta' | 'name', arg_names, averages, default_average, range: [low, high] with
 * null where open, formula}]}.
 */
export function readCatalogue(answer) {
    return {
        metrics: answer.metrics.map(m => ({
            name: m.name,
            title: m.title,
            kind: m.kind,
            needs: m.needs_by_task,
            argument: m.arguments.length === 0 ? 'none' : m.arguments[0] === BETA ? 'beta' : 'name',
            arg_names: m.arguments,
            averages: m.averages,
            default_average: m.default ?? '',
            range: m.range,
            formula: m.formula
        }))
    };
}
