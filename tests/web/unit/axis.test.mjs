import assert from 'node:assert/strict';
import test from 'node:test';
import { createAxis, lastPosition, zoomed, zoomTo } from '../../../web/src/axis.js';

const steps = { x: [0, 1, 2, 3], time: [1000, 2000, 6000, 7000] };
const spans = [{ epoch: 0, start: -0.5, end: 1.5 }, { epoch: 2, start: 1.5, end: 3.5 }];

test('positions go to what the axis shows and back', () => {
    for (const [kind, expected] of [['step', [0, 1, 2, 3]], ['relative', [0, 1, 5, 6]], ['time', [1, 2, 6, 7]], ['epoch', [0.25, 1.25, 2.25, 2.75]]]) {
        const axis = createAxis(kind, steps, spans);
        for (let i = 0; i < 4; i++) {
            if (kind !== 'epoch')
                assert.ok(Math.abs(axis.forward(i) - expected[i]) < 1e-9, `${kind} ${i}: ${axis.forward(i)}`);
            assert.ok(Math.abs(axis.inverse(axis.forward(i)) - i) < 1e-9, `${kind} ${i} and back`);
        }
        for (let x = -1; x < 4; x += 0.1)
            assert.ok(axis.forward(x + 0.1) >= axis.forward(x), `${kind} never falls`);
    }
});

test('an epoch takes the room up to the next that was logged', () => {
    const axis = createAxis('epoch', steps, spans);
    assert.equal(axis.forward(-0.5), 0);
    assert.equal(axis.forward(0.5), 1, 'epoch 1 was never logged');
    assert.equal(axis.forward(3.5), 3);
});

test('clocks that go back or stand still do not turn the axis round', () => {
    const axis = createAxis('relative', { x: [0, 1, 2], time: [5000, 3000, 5000] }, []);
    assert.deepEqual([0, 1, 2].map(axis.forward), [0, 0, 0]);
    assert.ok(Number.isFinite(axis.inverse(0)));
    assert.equal(createAxis('relative', { x: [10], time: [9000] }, [], 4000).forward(10), 5);
});

test('the last position follows from the epochs', () => {
    const e = (epoch, first_step, last_step) => ({ epoch, first_step, last_step });
    assert.equal(lastPosition([]), -1);
    assert.equal(lastPosition([e(0, 0, 9), e(1, 10, 19)]), 19);
    assert.equal(lastPosition([e(0, 0, 9), e(1, 0, 9), e(2, 0, 4)]), 24);
    assert.equal(lastPosition([e(0, 5, 9), e(1, 2, 4)]), 12);
});

test('zooms stay within the run, and an end that is reached stays open', () => {
    assert.deepEqual(zoomTo(10.4, 20.6, 100), { from: 10, to: 21 });
    assert.deepEqual(zoomTo(20, 10, 100), { from: 10, to: 20 });
    assert.deepEqual(zoomTo(-3, 50, 100), { from: '', to: 50 });
    assert.deepEqual(zoomTo(50, 104, 100), { from: 50, to: '' });
    assert.deepEqual(zoomTo(50, 50, 100), { from: 50, to: 51 });
    assert.deepEqual(zoomTo(100, 100, 100), { from: 99, to: '' });
    assert.deepEqual(zoomed({ from: '', to: '' }, 0.5, 50, 100), { from: 25, to: 75 });
    assert.deepEqual(zoomed({ from: 25, to: 75 }, 2, null, 100), { from: '', to: '' });
    assert.deepEqual(zoomed({ from: 80, to: '' }, 2, 100, 100), { from: 60, to: '' });
});

test('the axis of samples counts what came before, from the start of the stage also in a zoom', () => {
    const whole = { x: [0, 1, 2, 4], samples: [10, 20, 0, 5] };
    const axis = createAxis('samples', { x: [2, 4], samples: [0, 5] }, [], 0, whole);
    assert.deepEqual([0, 1, 2, 4, 5].map(axis.forward), [0, 10, 30, 30, 35]);
    assert.equal(axis.inverse(20), 1.5);
    assert.equal(createAxis('samples', { x: [0], samples: [0] }, []).forward(7), 7, 'without samples: steps');
});
