// The page's state is the URL: every view is a link, Back undoes every choice.
//
// parse() never fails: what is missing, malformed or out of range becomes the default.  write() puts
// only what differs from the default, in a fixed order, so that equal views have equal URLs.
// Pure: no DOM.

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/; // of runs and projects
const STAGE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
// [series:]metric[@arg][.average]; the server has the last word on what exists
const SELECTOR = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}(:[A-Za-z0-9_]{1,64})?(@[A-Za-z0-9.+-]{1,32})?(\.[a-z]{1,16})?$/;
const SORT = /^-?[A-Za-z0-9][A-Za-z0-9._/@:-]{0,255}(,-?[A-Za-z0-9][A-Za-z0-9._/@:-]{0,255})?$/;

function matching(pattern) {
    return text => pattern.test(text) ? text : null;
}

const IDS = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(,[A-Za-z0-9][A-Za-z0-9._-]{0,127})*$/;

function text(length) {
    return value => value.length > 0 && value.length <= length && !/[\u0000-\u001f\u007f]/.test(value) ? value : null;
}

function oneOf(...words) {
    return value => words.includes(value) ? value : null;
}

const COUNT = /^(0|[1-9][0-9]{0,15})$/;
function count(low, high = Number.MAX_SAFE_INTEGER) {
    return value => COUNT.test(value) && Number(value) >= low && Number(value) <= high ? Number(value) : null;
}

const flag = oneOf('1');

// Each parameter: its default and how text becomes a value (null: not acceptable, take the default).
// `auto` (the empty string) lets the view choose by what the run has.
export const PARAMETERS = Object.freeze({
    project: { initial: '', read: matching(ID) },
    run: { initial: '', read: matching(ID) },
    stage: { initial: '', read: matching(STAGE) },
    metric: { initial: '', read: matching(SELECTOR) },
    sort: { initial: '-created_at', read: matching(SORT) },
    q: { initial: '', read: text(512) },
    columns: { initial: '', read: text(1024) },
    pin: { initial: '', read: text(512) },
    differ: { initial: false, read: value => flag(value) && true }, // the config keys that differ, as columns
    spark: { initial: false, read: value => flag(value) && true },
    archived: { initial: false, read: value => flag(value) && true },
    select: { initial: '', read: matching(IDS) },       // runs, in the order they were selected
    // a comparison
    compare: { initial: '', read: matching(IDS) },
    baseline: { initial: '', read: matching(ID) },
    group: { initial: '', read: text(256) },            // a key of the configs
    more: { initial: false, read: value => flag(value) && true },
    // a run: which view of it, and what it shows
    view: { initial: 'charts', read: oneOf('charts', 'classes', 'confusion', 'curves') },
    epoch: { initial: '', read: count(0) },             // the last
    x: { initial: 'step', read: oneOf('step', 'epoch', 'samples', 'relative', 'time') },
    from: { initial: '', read: count(0) },              // the zoom, in positions of the steps answer, both included;
    to: { initial: '', read: count(0) },                // no `to`: up to the right edge, and along with it
    window: { initial: '', read: count(2, 1e9) },
    log: { initial: false, read: value => flag(value) && true },
    show: { initial: '', read: matching(/^[a-z-]{1,40}$/) }, // the finding whose steps are marked
    norm: { initial: 'counts', read: oneOf('counts', 'true', 'pred', 'change') },
    map: { initial: '', read: oneOf('recall', 'precision', 'f1') }, // classes over epochs
    rank: { initial: '', read: count(0, 65535) },       // all
    class: { initial: '', read: count(0, 65535) }
});

export const INITIAL = Object.freeze(Object.fromEntries(
    Object.entries(PARAMETERS).map(([name, parameter]) => [name, parameter.initial])));

/** parse('?run=r1&stage=test') -> a frozen state with every parameter. */
export function parse(search) {
    const query = new URLSearchParams(search);
    const state = {};
    for (const [name, parameter] of Object.entries(PARAMETERS)) {
        const given = query.get(name);
        const value = given === null ? null : parameter.read(given);
        state[name] = value === null ? parameter.initial : value;
    }
    if (state.from !== '' && state.to !== '' && state.from >= state.to)
        state.from = state.to = '';
    return Object.freeze(state);
}

/** write(state) -> '?run=r1', or '' for the start page. */
export function write(state) {
    const query = new URLSearchParams();
    for (const [name, parameter] of Object.entries(PARAMETERS)) {
        const value = state[name];
        if (value !== undefined && value !== parameter.initial)
            query.set(name, value === true ? '1' : String(value));
    }
    const search = query.toString();
    return search === '' ? '' : '?' + search;
}

/** Which view a state shows. */
export function viewOf(state) {
    if (state.run !== '')
        return 'run';
    if (state.compare !== '')
        return 'compare';
    return state.project !== '' ? 'runs' : 'projects';
}

/** The address of a view: link({project: 'digits'}) -> '/?project=digits'. */
export function link(parts) {
    return '/' + write({ ...INITIAL, ...parts });
}
