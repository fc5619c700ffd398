// The page's one connection to its server: api.js with the browser's fetch.

import { createApi } from './api.js';

export { path, runPath } from './api.js';
export const { get, write, useToken, hasToken, login, logout } = createApi((path, options) => fetch(path, options));
