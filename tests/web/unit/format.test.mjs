import assert from 'node:assert/strict';
import test from 'node:test';
import * as f from '../../../web/src/format.js';

function table(fn, rows) {
    for (const [args, expected] of rows)
        assert.equal(fn(...[args].flat()).replaceAll('\u00a0', ' '), expected, `${fn.name}(${args})`);
}

test('percent never rounds an imperfect score to perfect', () => table(f.percent, [
    [0.828125, '82.8 %'], [0.4140625, '41.4 %'], [1, '100.0 %'], [0, '0.0 %'], [0.9996, '99.96 %'], [0.99999, '99.999 %'],
    [0.0001, '0.01 %'], [0.9994, '99.9 %'], [null, '\u2013'], [NaN, '\u2013'], [-0.25, '\u221225.0 %']
]));

test('numbers keep four significant digits', () => table(f.number, [
    [0.6299, '0.6299'], [0.62994, '0.6299'], [1234.56, '1234.6'], [1234, '1,234'], [0, '0'], [0.00001234, '1.23e-5'.replace('-', '\u2212')],
    [12345678, '1.23e7'], [-2.5, '\u22122.5'], [null, '\u2013'], [Infinity, '\u221e'], [-Infinity, '\u2212\u221e']
]));

test('integers have thousands apart', () => table(f.integer, [[0, '0'], [999, '999'], [1000, '1,000'], [1234567, '1,234,567'], [-1000, '\u22121,000'], [undefined, '\u2013']]));

test('differences have a sign and a unit', () => table(f.difference, [
    [[-0.4140625, 'percent'], '\u221241.4 points'], [[0.052, 'percent'], '+5.2 points'], [[0, 'percent'], '0.0 points'],
    [[0.0004, 'percent'], '+0.04 points'], [[0.25, 'number'], '+0.25'], [[-0.25, 'number'], '\u22120.25'], [[null, 'percent'], '\u2013']
]));

test('axis labels are short', () => table(f.compact, [[0, '0'], [1500, '1500'], [20000, '20k'], [25500, '25.5k'], [2e6, '2M'], [3e9, '3G'], [0.1 + 0.2, '0.3']]));

test('times are relative to now', () => {
    const now = 1763884800000;
    table(f.relativeTime, [
        [[now - 1000, now], 'just now'], [[now + 9000, now], 'just now'], [[now - 12000, now], '12 s ago'], [[now - 5 * 60000, now], '5 min ago'],
        [[now - 3 * 3600000, now], '3 h ago'], [[now - 49 * 3600000, now], '2 d ago'], [[null, now], '\u2013']
    ]);
    assert.match(f.relativeTime(now - 30 * 86400000, now), /^\d{4}-\d\d-\d\d$/);
    assert.match(f.dateTime(now), /^\d{4}-\d\d-\d\d \d\d:\d\d$/);
});

test('durations name two units', () => table(f.duration, [[0, '0 s'], [59400, '59 s'], [3725000, '1 h 2 min'], [90000, '1 min 30 s'], [90000000, '1 d 1 h'], [-1, '\u2013']]));

test('a config is flattened to dotted rows', () => {
    assert.deepEqual(f.flatten({ lr: 0.1, model: { kind: 'mlp', layers: [1, 2], empty: {} }, off: false, none: null }),
        [['lr', '0.1'], ['model.kind', 'mlp'], ['model.layers', '[1,2]'], ['model.empty', '{}'], ['off', 'false'], ['none', 'null']]);
    assert.deepEqual(f.flatten(null), []);
});

test('plural counts', () => {
    assert.equal(f.plural(1, 'step').replaceAll('\u00a0', ' '), '1 step');
    assert.equal(f.plural(1200, 'step').replaceAll('\u00a0', ' '), '1,200 steps');
});
