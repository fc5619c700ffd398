// Light, dark, or what the system says.  The choice is kept in this browser; <html data-theme> says what it
// comes to, and a themechange event on the window tells those who paint.

const KEY = 'tally.theme';
export const THEMES = Object.freeze(['system', 'light', 'dark']);

const dark = matchMedia('(prefers-color-scheme: dark)');
let choice = stored();

function stored() {
    try {
        const value = localStorage.getItem(KEY);
        return THEMES.includes(value) ? value : 'system';
    } catch {
        return 'system'; // storage may be forbidden
    }
}

function apply() {
    document.documentElement.dataset.theme = choice === 'system' ? dark.matches ? 'dark' : 'light' : choice;
    dispatchEvent(new Event('themechange'));
}

export const theme = () => choice;

export function setTheme(next) {
    choice = next;
    try {
        localStorage.setItem(KEY, next);
    } catch { /* then for this page only */ }
    apply();
}

dark.addEventListener('change', apply);
apply();
