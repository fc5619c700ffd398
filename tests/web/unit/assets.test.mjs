import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const WEB = new URL('../../../web/', import.meta.url);
const read = path => readFileSync(new URL(path, WEB), 'utf8');
const modules = readdirSync(new URL('src/', WEB)).filter(name => name.endsWith('.js'));
const LIBRARIES = ['node_modules/uplot/dist/uPlot.iife.min.js', 'node_modules/uplot/dist/uPlot.min.css'];
// what the build does before these are compiled in
const { buildSync } = createRequire(new URL('package.json', WEB))('esbuild');
const built = path => buildSync({
    entryPoints: [fileURLToPath(new URL(path, WEB))], bundle: true, minify: true, charset: 'utf8', format: 'esm', target: 'es2020', write: false
}).outputFiles[0].contents;
const BUDGET = 90 * 1024;

test('all that a browser loads stays within 90 KB gzipped', () => {
    const size = [...['index.html', 'favicon.svg', ...LIBRARIES].map(path => readFileSync(new URL(path, WEB))), built('src/app.js'), built('style.css')]
        .reduce((sum, content) => sum + gzipSync(content).length, 0);
    assert.ok(size <= BUDGET, `${size} bytes`);
    console.log(`# assets: ${size} bytes gzipped`);
});

test('the document has no inline script or style, and loads only its own assets', () => {
    const html = read('index.html');
    assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=/i);
    for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([^]*?)<\/script>/g)) {
        assert.match(attributes, /src="%ASSETS%web\//);
        assert.equal(body, '');
    }
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
        assert.ok(address.startsWith('%ASSETS%web/'), address);
        readFileSync(new URL(address.replace('%ASSETS%web/', ''), WEB));
    }
});

test('no module makes markup from strings, and only the doors use their libraries', () => {
    for (const name of modules) {
        const source = read('src/' + name).replace(/\/\/.*$/gm, '').replace(/\/\*[^]*?\*\//g, '');
        assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/, name);
        if (name !== 'chart.js' && name !== 'chart_lines.js')
            assert.doesNotMatch(source, /\buPlot\b(?!:)/, name);
        if (name !== 'preact.js')
            assert.doesNotMatch(source, /node_modules/, name);
        if (name !== 'app_api.js' && name !== 'api.js')
            assert.doesNotMatch(source, /\bfetch\(/, name);
        for (const [, from] of source.matchAll(/from '([^']+)'/g))
            assert.match(from, /^(\.\/[a-z_]+\.js|\.\.\/node_modules\/htm\/preact\/standalone\.module\.js)$/, name);
    }
});

test('pure modules touch nothing of the browser', () => {
    for (const name of ['url_state', 'format', 'series', 'explain', 'catalogue', 'runs_columns', 'runs_data', 'run_data', 'curl', 'live', 'api', 'axis', 'curves', 'confusion', 'class_rows', 'compare_model', 'compare_data', 'svg_picture', 'bulk']) {
        const source = read(`src/${name}.js`).replace(/\/\/.*$/gm, '').replace(/\/\*[^]*?\*\//g, '');
        assert.doesNotMatch(source, /(?<![.\w])(window|location|history|localStorage)\./, name);
    }
});
