import assert from 'node:assert/strict';
import test from 'node:test';
import * as c from '../../../web/src/catalogue.js';

const AVERAGES = ['micro', 'macro', 'weighted', 'none'];
const catalogue = {
    metrics: [
        { name: 'accuracy', title: 'Accuracy', argument: 'none', arg_names: [], averages: AVERAGES, default_average: 'micro', range: [0, 1] },
        { name: 'f1', title: 'F1 score', argument: 'none', arg_names: [], averages: AVERAGES, default_average: 'micro', range: [0, 1] },
        { name: 'fbeta', title: 'F-beta score', argument: 'beta', arg_names: [], averages: AVERAGES, default_average: 'micro', range: [0, 1] },
        { name: 'jaccard', title: 'Jaccard index', argument: 'none', arg_names: [], averages: AVERAGES, default_average: 'micro', range: [0, 1] },
        { name: 'mcc', title: 'MCC', argument: 'none', arg_names: [], averages: [], default_average: '', range: [-1, 1] },
        { name: 'kappa', title: 'Kappa', argument: 'name', arg_names: ['none', 'linear', 'quadratic'], averages: [], default_average: '', range: [-1, 1] }
    ]
};
const series = (stage, name, form, rest = {}) => ({ stage, name, form, task: 'multiclass', num_classes: 10, ...rest });
const MATRIX = [series('test', 'main', 'confusion')];
const TOTALS = [series('train', 'main', 'totals', { num_classes: 0 })];

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
    assert.equal(c.chooseMetric(catalogue, [series('t', 'main', 'confusion', { task: 'binary', num_classes: 1 })], '').selector, 'accuracy');
    assert.equal(c.chooseMetric(catalogue, [series('t', 'parity', 'classes')], '').selector, 'parity:accuracy.macro');
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
    const menu = Object.fromEntries(c.metricMenu(catalogue, totals).map(row => [row.value, row]));
    assert.equal(menu.accuracy.disabled, false);
    assert.equal(menu.jaccard.disabled, true);
    assert.match(menu.mcc.label, /send tp, fp and fn, or confusion/);
    const averages = Object.fromEntries(c.averageMenu(totals).map(row => [row.value, row]));
    assert.deepEqual(AVERAGES.map(a => averages[a].disabled), [false, true, true, true]);
    assert.match(averages.macro.label, /^macro \(only totals were logged; send/);
    const classes = c.metricMenu(catalogue, c.chooseMetric(catalogue, [series('t', 'main', 'classes')], ''));
    assert.deepEqual(classes.filter(row => row.disabled).map(row => row.value), ['kappa@linear', 'kappa@quadratic']);
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
    assert.deepEqual(c.metricMenu(catalogue, chosen).map(r => r.value).filter(v => v.startsWith('fbeta')), ['fbeta@0.5', 'fbeta@2', 'fbeta@3']);
});

test('binary series have no average to choose', () => {
    const chosen = c.chooseMetric(catalogue, [series('t', 'main', 'confusion', { task: 'binary', num_classes: 1 })], 'f1.macro');
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
    const metric = { title: 'T', averages: ['micro'], default: 'micro', range: [0, 1], better: 'high', proportion: true, formula: 'f' };
    const { metrics } = c.readCatalogue({ metrics: [{ ...metric, name: 'a', arguments: [] }, { ...metric, name: 'b', arguments: ['<beta>'] },
        { ...metric, name: 'k', arguments: ['none', 'linear'], averages: [], default: null, range: [-1, null] }] });
    assert.deepEqual(metrics.map(m => m.argument), ['none', 'beta', 'name']);
    assert.deepEqual([metrics[2].arg_names, metrics[2].default_average, metrics[2].range], [['none', 'linear'], '', [-1, null]]);
});

test('each kind of state under a name opens its metrics; without counts the page starts with what there is', () => {
    const other = [
        { name: 'auroc', title: 'AUROC', kind: 'scores', argument: 'none', arg_names: [], averages: AVERAGES, default_average: 'macro', range: [0, 1] },
        { name: 'perplexity', title: 'Perplexity', kind: 'mean', argument: 'none', arg_names: [], averages: [], default_average: '', range: [1, null] }
    ];
    const all = { metrics: [...catalogue.metrics, ...other] };
    const both = c.seriesOf({ series: [series('t', 'main', 'scores'), series('t', 'main', 'classes'), series('t', 'nll', 'mean')] }, 't');
    assert.deepEqual(both.counts.map(s => [s.name, s.form, s.kinds]), [['main', 'classes', ['scores', 'counts', 'mean']]]);
    assert.equal(c.whyNot(other[0], '', 'macro', both.counts[0]), null);
    assert.equal(c.whyNot(other[1], '', '', both.counts[0]), null);
    assert.match(c.whyNot(other[0], '', 'macro', c.seriesOf({ series: MATRIX }, 'test').counts[0]), /send scores/);
    const scores = c.seriesOf({ series: [series('t', 'main', 'scores')] }, 't').counts;
    assert.equal(c.chooseMetric(all, scores, '').selector, 'auroc');
    assert.match(c.whyNot(catalogue.metrics[0], '', 'micro', scores[0]), /send correct and total/);
});
