// The start page: the projects on this server.

import { html } from './preact.js';
import * as api from './app_api.js';
import { useLive, useTitle } from './hooks.js';
import { Link, Live } from './parts.js';
import { More } from './more.js';
import { NoProjects } from './empty.js';
import { plural } from './format.js';

const POLL_MS = 2000;

export function Projects() {
    useTitle('');
    const live = useLive(signal => api.get('/api/v1/projects', signal), () => POLL_MS, []);
    return html`<${Live} live=${live}>${answer => answer.projects.length === 0
        ? html`<${NoProjects} />`
        : html`
            <div class="title-row"><h1>Projects</h1><${More} name="projects" paths=${[['projects', '/api/v1/projects']]} csv=${false} /></div>
            <ul class="projects">
                ${answer.projects.map(p => html`<li key=${p.name}>
                    <${Link} class="project" to=${{ project: p.name }}>
                        <span class="project-name" dir="auto">${p.name}</span>
                        <span class="muted">${plural(p.runs, 'run')}</span>
                    </${Link}>
                </li>`)}
            </ul>`}
    </${Live}>`;
}
