import assert from 'node:assert/strict';
import test from 'node:test';
import { createPoller, waitAfter } from '../../../web/src/live.js';

// a poller with a clock of our own: step() runs what is due
function setup(load, isHidden = () => false) {
    const timers = [];
    const reports = [];
    const poller = createPoller({
        load, report: r => reports.push(r), interval: () => 1000, isHidden,
        setTimer: (fn, ms) => (timers.push({ fn, ms }), timers.length), clearTimer: () => timers.pop()
    });
    const settle = () => new Promise(resolve => setImmediate(resolve));
    return { poller, timers, reports, settle, step: async () => { timers.shift().fn(); await settle(); } };
}

test('the next load is planned only when the last has ended', async () => {
    let open = 0;
    let most = 0;
    let release;
    const { poller, timers, settle } = setup(async () => {
        most = Math.max(most, ++open);
        await new Promise(resolve => { release = resolve; });
        open--;
        return 1;
    });
    poller.start();
    poller.refresh();
    poller.refresh();
    assert.equal(timers.length, 0);
    release();
    await settle();
    assert.deepEqual(timers.map(t => t.ms), [0]); // refresh() came while loading: again at once, once
    assert.equal(most, 1);
    poller.stop();
});

test('a hidden tab asks nothing and catches up when shown', async () => {
    let hidden = true;
    let loads = 0;
    const { poller, settle, timers, step } = setup(async () => ++loads, () => hidden);
    poller.start();
    await settle();
    assert.equal(loads, 0);
    hidden = false;
    poller.shown();
    await settle();
    assert.equal(loads, 1);
    hidden = true;
    await step();
    assert.equal(loads, 1);
    assert.equal(timers.length, 0);
    poller.shown();
    assert.equal(loads, 1);
});

test('the last good data stands while there is an error, and the wait doubles', async () => {
    const answers = [1, new Error('x'), new Error('x'), 2];
    const { poller, reports, timers, settle, step } = setup(async () => {
        const a = answers.shift();
        if (a instanceof Error)
            throw Object.assign(a, { status: 0, isTemporary: true });
        return a;
    });
    poller.start();
    await settle();
    const waits = [timers[0].ms];
    for (let i = 0; i < 3; i++) {
        await step();
        waits.push(timers[0].ms);
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 1000]);
    assert.deepEqual(reports.map(r => r.data), [1, 1, 1, 2]);
    assert.equal(reports[3].error, null);
});

test('waits are bounded, obey Retry-After, and stop for a token', () => {
    const temporary = { status: 503, isTemporary: true, retryAfterMs: 0 };
    assert.equal(waitAfter(null, 0, 1000), 1000);
    assert.equal(waitAfter(temporary, 50, 1000), 30000);
    assert.equal(waitAfter({ ...temporary, retryAfterMs: 7000 }, 1, 1000), 7000);
    assert.equal(waitAfter({ status: 404, isTemporary: false }, 1, 1000), 5000);
    assert.equal(waitAfter({ status: 401, isTemporary: false }, 1, 1000), null);
});

test('after stop nothing is reported and the load under way is given up', async () => {
    let signal;
    let release;
    const { poller, reports, timers, settle } = setup(s => {
        signal = s;
        return new Promise(resolve => { release = resolve; });
    });
    poller.start();
    poller.stop();
    release(1);
    await settle();
    assert.equal(signal.aborted, true);
    assert.deepEqual([reports.length, timers.length], [0, 0]);
});
