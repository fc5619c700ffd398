// A real server on a free port with a database of its own, and a real browser that reports whatever a
// page must never do: errors on the console, requests to other hosts, violations of the CSP.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TALLY = process.env.TALLY_BIN ?? join(HERE, '../../../build/release/tally');
const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
const CHROMIUM_ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const START_MS = 10000;

/**
 * Start a server.  options: more arguments of `tally serve`.  scopes: tokens to make before it starts;
 * they are in server.tokens.  stop() ends it and removes its database.
 */
export async function startServer({ options = [], scopes = [] } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'tally-web-'));
    const db = join(folder, 'tally.db');
    const createToken = scope => /tally_[0-9a-f]+/.exec(execFileSync(TALLY, ['token', 'create', '--scope', scope, '--db', db],
        { stdio: ['ignore', 'pipe', 'ignore'] }).toString())[0];
    const tokens = Object.fromEntries(scopes.map(scope => [scope, createToken(scope)]));
    let child;
    let base;

    async function start(listen) {
        child = spawn(TALLY, ['serve', '--db', db, '--listen', listen, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
        base = await new Promise((resolve, reject) => {
            let text = '';
            const look = chunk => {
                text += chunk;
                const found = /listening on (http:\/\/\S+?)\/?\s/.exec(text);
                if (found)
                    resolve(found[1]);
            };
            child.stdout.on('data', look);
            child.stderr.on('data', look);
            child.on('error', reject);
            child.on('exit', code => reject(new Error(`tally ended with ${code}: ${text}`)));
            setTimeout(() => reject(new Error(`tally did not start: ${text}`)), START_MS).unref();
        });
    }

    async function halt() {
        const ended = new Promise(resolve => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
    }

    await start('127.0.0.1:0');
    const server = {
        base, tokens,
        /** A request to the API: the parsed answer; an unexpected status fails the test. */
        async call(method, path, body, headers = {}) {
            const response = await fetch(base + path, {
                method, headers: { ...body === undefined ? {} : { 'Content-Type': 'application/json' }, ...headers },
                body: body === undefined ? undefined : JSON.stringify(body)
            });
            const text = await response.text();
            assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
            return text === '' ? null : JSON.parse(text);
        },
        get: path => server.call('GET', path),
        status: async path => (await fetch(base + path)).status,
        post: (run, records, query = '') => server.call('POST', `/api/v1/runs/${run}/batches${query}`, records),
        halt,
        restart: () => start(base.replace('http://', '')),
        async stop() {
            if (child.exitCode === null && child.signalCode === null)
                await halt();
            rmSync(folder, { recursive: true, force: true });
        }
    };
    return server;
}

export async function startBrowser() {
    return chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
}

/**
 * A page with a context of its own.  page.check() fails if the page did what it must not; expected: a
 * pattern of console errors that a test provokes (Chromium reports every 4xx answer there).
 */
export async function openPage(browser, server, { width = 1280, height = 900, scheme = 'light' } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    await context.addInitScript(() => {
        window.cspViolations = [];
        document.addEventListener('securitypolicyviolation', e => window.cspViolations.push(`${e.violatedDirective} ${e.blockedURI}`));
    });
    const page = await context.newPage();
    const seen = { errors: [], foreign: [], requests: [] };
    page.on('console', message => message.type() === 'error' && seen.errors.push(message.text()));
    page.on('pageerror', error => seen.errors.push(String(error)));
    page.on('request', request => {
        seen.requests.push(request);
        if (!request.url().startsWith(server.base + '/'))
            seen.foreign.push(request.url());
    });
    page.seen = seen;
    page.visit = search => page.goto(server.base + '/' + search);
    page.check = async (expected = null) => {
        assert.deepEqual(seen.errors.filter(text => !expected?.test(text)), [], 'console errors');
        assert.deepEqual(seen.foreign, [], 'requests to other hosts');
        assert.deepEqual(await page.evaluate(() => window.cspViolations), [], 'CSP violations');
    };
    page.done = async expected => {
        await page.check(expected);
        await context.close();
    };
    return page;
}

export const golden = name => JSON.parse(readFileSync(new URL(`../../golden/${name}.json`, import.meta.url)));

/** The batches of a golden file as records of a stage. */
export function records(file, stage) {
    return file.batches.map(b => ({
        stage, epoch: b.epoch, step: b.step, rank: b.rank, samples: b.n, confusion: b.confmat,
        sums: { loss: [b.loss_sum, b.loss_count, b.loss_min, b.loss_max] }
    }));
}

/** How many pixels of a chart's canvas have the colour of a style sheet variable (nearly). */
export async function countPixels(page, variable, chart = 0) {
    return page.evaluate(([name, index]) => {
        const canvas = document.querySelectorAll('.plot canvas')[index];
        if (!canvas)
            return 0;
        const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map(h => parseInt(h, 16));
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24)
                count++;
        return count;
    }, [variable, chart]);
}

/** The number behind a value on the page: <data id=... value=...>. */
export const valueOf = async (page, id) => Number(await page.locator('#' + id).getAttribute('value'));

/** Text as people see it, with ordinary blanks. */
export const textOf = async locator => (await locator.innerText()).replaceAll('\u00a0', ' ').replace(/\s+/g, ' ').trim();

/** By how much a budget of time may be missed: half for noise, and more where others keep every core busy. */
export const slack = () => 1.5 * Math.max(1, loadavg()[0] / (2 * availableParallelism()));
