// What views share and cannot say in markup: where they are, and data that keeps itself up to date.

import { createContext, useContext, useEffect, useLayoutEffect, useRef, useState } from './preact.js';
import * as api from './app_api.js';
import { createPoller } from './live.js';

/**
 * {state, go(parts, {replace, soon}), signedIn, signIn(token), signOut(), signedOut()}: the URL as a value; see app.js.  replace: without a place of
 * its own in the history; soon: it has one, but the address may follow a moment later.
 */
export const Place = createContext(null);
export const usePlace = () => useContext(Place);

/**
 * useLive(load, interval, deps) -> {data, error, refresh}
 * load(signal) is called again and again while the view is shown (live.js says when), and anew when
 * deps change; until the new answer is there the old data stands.
 */
export function useLive(load, interval, deps) {
    const [state, setState] = useState({ data: undefined, error: null });
    const poller = useRef(null);
    // not useEffect: that waits for a frame to be painted, and the question could be on its way already
    useLayoutEffect(() => {
        const p = createPoller({
            load, interval,
            // an answer that changed nothing paints nothing
            report: next => setState(old => old.data === next.data && old.error === null && next.error === null ? old : next),
            isHidden: () => document.hidden,
            setTimer: (fn, ms) => setTimeout(fn, ms),
            clearTimer: clearTimeout
        });
        const shown = () => document.hidden || p.shown();
        poller.current = p;
        document.addEventListener('visibilitychange', shown);
        p.start();
        return () => {
            document.removeEventListener('visibilitychange', shown);
            p.stop();
        };
    }, deps);
    return { ...state, refresh: () => poller.current.refresh() };
}

/**
 * useAnswer(path, pulse, everyMs) -> {data, error, refresh}: the answer to a path, asked again when pulse changes
 * (the run's document, which is polled) but not more often than everyMs.  path null: nothing is asked.
 */
export function useAnswer(path, pulse, everyMs = 0) {
    const live = useLive(signal => path === null ? Promise.resolve(null) : api.get(path, signal), () => null, [path]);
    const asked = useRef({ path, pulse, at: Date.now() });
    useEffect(() => {
        const last = asked.current;
        if (last.path === path && last.pulse === pulse)
            return undefined;
        const isNewPath = last.path !== path; // then useLive asks by itself
        const timer = setTimeout(() => {
            asked.current = { path, pulse, at: Date.now() };
            if (!isNewPath)
                live.refresh();
        }, isNewPath ? 0 : Math.max(0, last.at + everyMs - Date.now()));
        return () => clearTimeout(timer);
    }, [path, pulse]);
    return live;
}

/** The time, often enough for "3 min ago". */
export function useNow(everyMs = 10000) {
    const [now, setNow] = useState(Date.now());
    useEffect(() => {
        const timer = setInterval(() => document.hidden || setNow(Date.now()), everyMs);
        return () => clearInterval(timer);
    }, [everyMs]);
    return now;
}

export function useTitle(text) {
    useEffect(() => {
        document.title = text ? `${text} \u00b7 Tally` : 'Tally';
    }, [text]);
}
