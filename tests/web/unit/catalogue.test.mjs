import assert from 'node:assert/strict';
import test from 'node:test';
import * as c from '../../../web/src/catalogue.js';

const AVERAGES = ['micro', 'macro', 'weighted', 'none'];
const byAverage = (micro, rest) => ({ micro, macro: rest, weighted: rest, none: rest });
const ratio = (name, title, needs, rest = {}) => ({ name, title, kind: 'counts', argument: 'none', arg_names: [], averages: AVERAGES, default_average: 'micro', range: [0, 1], needs, ...rest });
const one = (name, kind, needs, rest = {}) => ({ name, title: name, kind, argument: 'none', arg_names: [], averages: [], default_average: '', range: [-1, 1], needs, ...rest });
const RATIO = { multiclass: byAverage('totals', 'classes'), binary: 'classes', multilabel: byAverage('classes', 'classes') };
const all = form => ({ multiclass: form, binary: form, multilabel: form });
const catalogue = {
    metrics: [
        ratio('accuracy', 'Accuracy', { ...RATIO, binary: 'totals' }),
        ratio('f1', 'F1 score', RATIO),
        ratio('fbeta', 'F-beta score', RATIO, { argument: 'beta' }),
        ratio('jaccard', 'Jaccard index', { ...RATIO, multiclass: byAverage('classes', 'classes') }),
        one('mcc', 'counts', all('classes')),
        one('kappa', 'counts', { multiclass: { none: 'classes', linear: 'confusion', quadratic: 'confusion' }, binary: { none: 'classes', linear: 'classes', quadratic: 'classes' }, multilabel: null },
            { title: 'Kappa', argument: 'name', arg_names: ['none', 'linear', 'quadratic'] }),
        ratio('auroc', 'AUROC', { multiclass: byAverage(null, 'scores'), binary: 'scores', multilabel: byAverage('scores', 'scores') }, { kind: 'scores', default_average: 'macro' }),
        one('ece', 'calibration', all({ l1: 'calibration', l2: 'calibration' }), { argument: 'name', arg_names: ['l1', 'l2'] }),
        one('exact_match', 'exact', all('exact')),
        one('perplexity', 'mean', all('mean')),
        one('rmse', 'regression', all('regression'))
    ]
};
const series = (stage, name, form, rest = {}) => ({ stage, name, form, task: 'multiclass', num_classes: 10, ...rest });
const headsOf = (...list) => c.seriesOf({ series: list }, list[0].stage).heads;
const MATRIX = headsOf(series('test', 'main', 'confusion'));
const TOTALS = headsOf(series('train', 'main', 'totals', { num_classes: 0 }));
const flat = menu => menu.flatMap(group => group.options);

test('the stage is the one asked for, else val, test, train, any', () => {
    const run = { series: ['train', 'x', 'test', 'val'].map(s => series(s, 'main', 'totals')) };
    assert.deepEqual(c.stagesOf(run), ['val', 'test', 'train', 'x']);
    assert.equal(c.chooseStage(run, 'train'), 'train');
    assert.equal(c.chooseStage(run, 'gone'), 'val');
    assert.equal(c.chooseStage({ series: [] }, ''), null);
});

test('selectors are read and written alike', () => {
    for (const s of ['accuracy', 'accuracy.macro', 'parity:f1.macro', 'fbeta@0.5.macro', 'fbeta@0.5', 'kappa@linear', 'a/b:mcc'])
        assert.equal(c.formatSelector(c.parseSelector(s)), s);
    assert.deepEqual(c.parseSelector('fbeta@0.5.macro'), { series: 'main', metric: 'fbeta', arg: '0.5', average: 'macro' });
});

test('macro accuracy is the start where classes are known, accuracy where only totals are', () => {
    assert.equal(c.chooseMetric(catalogue, MATRIX, '').selector, 'accuracy.macro');
    assert.equal(c.chooseMetric(catalogue, TOTALS, '').selector, 'accuracy');
    assert.equal(c.chooseMetric(catalogue, headsOf(series('t', 'main', 'confusion', { task: 'binary', num_classes: 1 })), '').selector, 'accuracy');
    assert.equal(c.chooseMetric(catalogue, headsOf(series('t', 'parity', 'classes')), '').selector, 'parity:accuracy.macro');
    assert.equal(c.chooseMetric(catalogue, [], 'accuracy'), null);
});

test('what the state cannot give falls back', () => {
    for (const asked of ['f1.macro', 'mcc', 'nonsense', 'fbeta', 'fbeta@-1', 'other:accuracy', 'accuracy.none'])
        assert.equal(c.chooseMetric(catalogue, TOTALS, asked).selector, 'accuracy', asked);
    assert.equal(c.chooseMetric(catalogue, MATRIX, 'f1.weighted').selector, 'f1.weighted');
    assert.equal(c.chooseMetric(catalogue, MATRIX, 'f1.micro').selector, 'f1');
});

test('menus disable what cannot be had and say which field to send', () => {
    const totals = c.chooseMetric(catalogue, TOTALS, '');
    const menu = Object.fromEntries(flat(c.metricMenu(catalogue, totals)).map(row => [row.value, row]));
    assert.equal(menu.accuracy.disabled, false);
    assert.equal(menu.jaccard.disabled, true);
    assert.match(menu.mcc.label, /send tp, fp and fn, or confusion/);
    const averages = Object.fromEntries(c.averageMenu(totals).map(row => [row.value, row]));
    assert.deepEqual(AVERAGES.map(a => averages[a].disabled), [false, true, true, true]);
    assert.match(averages.macro.label, /^macro \(only totals were logged; send/);
    const classes = flat(c.metricMenu(catalogue, c.chooseMetric(catalogue, headsOf(series('t', 'main', 'classes')), '')));
    assert.deepEqual(classes.filter(row => row.disabled && row.value.startsWith('kappa')).map(row => row.value), ['kappa@linear', 'kappa@quadratic']);
    assert.match(classes.find(row => row.value === 'kappa@linear').label, /send confusion or cells/);
});

test('a metric chosen in the menu keeps the average it can', () => {
    const chosen = c.chooseMetric(catalogue, MATRIX, 'accuracy.weighted');
    assert.equal(c.withMetric(catalogue, chosen, 'f1'), 'f1.weighted');
    assert.equal(c.withMetric(catalogue, chosen, 'kappa@linear'), 'kappa@linear');
    assert.equal(c.withMetric(catalogue, c.chooseMetric(catalogue, MATRIX, 'mcc'), 'fbeta@2'), 'fbeta@2.micro');
});

test('an unusual beta of the address stays in the menu', () => {
    const chosen = c.chooseMetric(catalogue, MATRIX, 'fbeta@3');
    assert.deepEqual(flat(c.metricMenu(catalogue, chosen)).map(r => r.value).filter(v => v.startsWith('fbeta')), ['fbeta@0.5', 'fbeta@2', 'fbeta@3']);
});

test('binary series have no average to choose', () => {
    const chosen = c.chooseMetric(catalogue, headsOf(series('t', 'main', 'confusion', { task: 'binary', num_classes: 1 })), 'f1.macro');
    assert.equal(chosen.selector, 'f1');
    assert.deepEqual(c.averageMenu(chosen), []);
});

test('titles and units', () => {
    assert.equal(c.metricTitle(c.chooseMetric(catalogue, MATRIX, '')), 'Accuracy, macro');
    assert.equal(c.metricTitle(c.chooseMetric(catalogue, MATRIX, 'kappa@linear')), 'Kappa @ linear');
    assert.equal(c.unitOf(catalogue.metrics[0]), 'percent');
    assert.equal(c.unitOf(catalogue.metrics[4]), 'number');
    assert.equal(c.meanSelector('accuracy'), 'accuracy:mean');
});

test('the catalogue is read as the server writes it', () => {
    const metric = { title: 'T', kind: 'counts', needs_by_task: { multiclass: 'classes' }, averages: ['micro'], default: 'micro', range: [0, 1], better: 'high', proportion: true, formula: 'f' };
    const { metrics } = c.readCatalogue({ metrics: [{ ...metric, name: 'a', arguments: [] }, { ...metric, name: 'b', arguments: ['<beta>'] },
        { ...metric, name: 'k', arguments: ['none', 'linear'], averages: [], default: null, range: [-1, null] }] });
    assert.deepEqual(metrics.map(m => m.argument), ['none', 'beta', 'name']);
    assert.deepEqual([metrics[0].kind, metrics[0].needs], ['counts', { multiclass: 'classes' }]);
    assert.deepEqual([metrics[2].arg_names, metrics[2].default_average, metrics[2].range], [['none', 'linear'], '', [-1, null]]);
});

test('each kind of state is a group of the menu; one that was not logged says what to send', () => {
    const heads = headsOf(series('t', 'main', 'exact', { task: null }), series('t', 'main', 'scores'), series('t', 'nll', 'mean', { task: null }), series('t', 'x/nll', 'mean', { task: null }));
    assert.deepEqual(heads.map(h => [h.name, Object.keys(h.states)]), [['main', ['exact', 'scores', 'mean']], ['x/nll', ['mean']]]);
    const chosen = c.chooseMetric(catalogue, heads, '');
    assert.deepEqual([chosen.selector, chosen.series.form], ['exact_match', 'exact']);
    const menu = c.metricMenu(catalogue, chosen);
    assert.deepEqual(menu.map(g => g.label), ['Exact match', 'Score histograms', 'Language model', 'Counts (not logged; send correct and total, or confusion)',
        'Calibration (not logged; send calibration)', 'Regression (not logged; send regression)']);
    assert.deepEqual(flat(menu).filter(o => !o.disabled).map(o => o.value), ['exact_match', 'auroc', 'perplexity']);
    assert.equal(c.chooseMetric(catalogue, heads, 'perplexity').series.name, 'nll');
    assert.equal(c.chooseMetric(catalogue, heads, 'x/nll:perplexity').series.name, 'x/nll');
    assert.equal(c.chooseMetric(catalogue, heads, 'rmse').selector, 'exact_match');
});

test('an average that a task lacks is disabled', () => {
    const chosen = c.chooseMetric(catalogue, headsOf(series('t', 'main', 'scores')), 'auroc');
    assert.equal(chosen.average, 'macro');
    assert.deepEqual(c.averageMenu(chosen).map(row => [row.value, row.disabled]), [['micro', true], ['macro', false], ['weighted', false], ['none', true]]);
    assert.match(c.averageMenu(chosen)[0].label, /not defined for multiclass/);
    assert.deepEqual(c.averageMenu(c.chooseMetric(catalogue, headsOf(series('t', 'main', 'scores', { task: 'multilabel' })), 'auroc.micro'))[0].disabled, false);
});

test('the matrix of two classes follows from their counts', () => {
    const two = headsOf(series('t', 'main', 'classes', { num_classes: 2 }));
    assert.equal(c.chooseMetric(catalogue, two, 'kappa@linear').selector, 'kappa@linear');
});
