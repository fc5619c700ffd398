// Keeps a view up to date by asking again and again, and is polite about it.
//
// 1. One load at a time: the next is planned when the last has ended.
// 2. A hidden tab asks nothing; it catches up at once when it is shown.
// 3. While the server cannot be reached, waits double from the interval up to 30 s; Retry-After counts.
// 4. What the server refuses is asked again slowly (an unknown run may appear); a missing token (401)
//    stops the clock until refresh().
// 5. After stop() nothing is reported any more.
// Pure: timers and visibility are handed in.

const WAIT_MAX_MS = 30000;
const REFUSED_WAIT_MS = 5000;

/** How long to wait before the next load; null: until refresh().  intervalMs null: only failures are tried again. */
export function waitAfter(error, failures, intervalMs) {
    if (!error)
        return intervalMs;
    if (error.status === 401)
        return null;
    const interval = intervalMs ?? REFUSED_WAIT_MS;
    if (error.isTemporary)
        return Math.min(WAIT_MAX_MS, Math.max(error.retryAfterMs ?? 0, interval * 2 ** Math.min(failures, 10)));
    return Math.max(REFUSED_WAIT_MS, interval);
}

/**
 * createPoller({load, report, interval, isHidden, setTimer, clearTimer})
 * load(signal)  -> a promise of the view's data.
 * report({data, error})  after each load; data stays the last good one while there is an error.
 * interval(data) -> ms until the next load after a good one; null: not until refresh().
 * The caller calls shown() when the tab becomes visible.
 */
export function createPoller({ load, report, interval, isHidden, setTimer, clearTimer }) {
    let timer = null;
    let controller = null; // of the load under way
    let stopped = false;
    let failures = 0;
    let data;
    let isDue = false; // the time came while the tab was hidden, or refresh() while loading

    async function run() {
        timer = null;
        if (stopped)
            return;
        if (isHidden()) {
            isDue = true;
            return;
        }
        isDue = false;
        controller = new AbortController();
        let error = null;
        try {
            data = await load(controller.signal);
            failures = 0;
        } catch (caught) {
            error = caught;
            failures++;
        }
        controller = null;
        if (stopped)
            return;
        report({ data, error });
        const wait = isDue ? 0 : waitAfter(error, failures, interval(data));
        if (wait !== null)
            timer = setTimer(run, wait);
    }

    function refresh() {
        if (controller) {
            isDue = true;
            return;
        }
        if (timer !== null)
            clearTimer(timer);
        run();
    }

    return {
        start: run,
        refresh,
        shown() {
            if (isDue && !controller)
                refresh();
        },
        stop() {
            stopped = true;
            if (timer !== null)
                clearTimer(timer);
            controller?.abort();
        }
    };
}
