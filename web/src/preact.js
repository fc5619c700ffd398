// The one place that names the view library, so that an upgrade touches one line.
export {
    html, render, createContext, useState, useEffect, useLayoutEffect, useRef, useMemo, useContext,
    useErrorBoundary
} from '../node_modules/htm/preact/standalone.module.js';
