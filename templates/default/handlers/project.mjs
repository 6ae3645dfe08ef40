// What implement.mjs and rework.mjs share: reading an idea, writing its project, checking it, handing it over.
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { plainText, starters } from './starters.mjs';

const OUTPUTS = 'outputs';
export const EXIT_UNAVAILABLE = 69;
const EXIT_TRY_LATER = 75;

/** @typedef {{ title: string, description: string, language: string, code: string | null }} Idea */

/** The idea in one line of JSON, or what is wrong with it for good. */
export function readIdea(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { idea: null, problem: `The payload is not JSON: ${error.message}` };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { idea: null, problem: 'An idea must be an object such as {"title": "…", "description": "…"}' };
  }
  const { title, description, language, code } = value;
  if (typeof title !== 'string' || title.trim() === '')
    return { idea: null, problem: 'An idea needs a title: add "title"' };
  if (code !== undefined && code !== null && typeof code !== 'string')
    return { idea: null, problem: '"code" must be text, not a list or an object' };
  const idea = {
    title,
    description: typeof description === 'string' ? description.trim() : '',
    language:
      typeof language === 'string' && language.trim() !== '' ? language.trim().toLowerCase() : 'javascript',
    code: code?.trim() ? code : null,
  };
  return { idea, problem: null };
}

/**
 * A folder name for a title: "Moisture alarm" → moisture-alarm. Whatever a plain name cannot tell apart (capitals, other
 * scripts, emoji) is told apart by a few digits of a hash, so no two titles ever share a folder.
 */
export function projectName(title) {
  const plain = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '');
  const spoken = plain.replaceAll('-', ' ');
  if (title === spoken.charAt(0).toUpperCase() + spoken.slice(1)) return plain;
  return `${plain || 'idea'}-${createHash('sha256').update(title).digest('hex').slice(0, 6)}`;
}

export function projectFolder(name) {
  return join(OUTPUTS, name);
}

/**
 * Writes outputs/<name>/: the idea as it came, a README, a source file. A second run changes nothing; and as long as the
 * idea is the same, a source that rework or a person has improved meanwhile is left as it is.
 */
export function writeProject(idea, line) {
  const project = projectName(idea.title);
  const folder = projectFolder(project);
  const starter = starters.get(idea.language) ?? plainText;
  const description = idea.description || 'Nobody has described this yet.';
  const source = join(folder, starter.file);
  const seenBefore = existsSync(source) && readIfThere(join(folder, 'idea.json')) === `${line.trim()}\n`;
  mkdirSync(folder, { recursive: true });
  if (starter.manifest !== undefined) {
    writeWhole(join(folder, 'package.json'), starter.manifest(project, idea.code ?? 'export {}'));
  }
  if (!seenBefore) writeWhole(source, ending(idea.code ?? starter.source(oneLine(idea.title), description)));
  writeWhole(join(folder, 'README.md'), readme(idea, description, starter));
  // Last: it says that the rest is there.
  writeWhole(join(folder, 'idea.json'), `${line.trim()}\n`);
  return { project, file: starter.file };
}

function readme({ title, language }, description, { file, run }) {
  const how = run === null ? `See \`${file}\`.` : `Run it with \`${run}\`.`;
  return `# ${oneLine(title)}\n\n${description}\n\nLanguage: ${oneLine(language)}. ${how}\n`;
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ').trim();
}

function ending(text) {
  return text.endsWith('\n') ? text : `${text}\n`;
}

export function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

/** A reader sees the old file or the new one, never a part; nothing is written that is there already. */
export function writeWhole(path, text) {
  if (readIfThere(path) === text) return;
  const temp = `${path}.${process.pid}.tmp`;
  writeFileSync(temp, text);
  renameSync(temp, path);
}

/** What `node --check` finds in a JavaScript file: { line, error }, or null. Other languages are not checked here. */
export function checkSyntax(project, file) {
  if (!file.endsWith('.js')) return Promise.resolve(null);
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['--check', file],
      { cwd: projectFolder(project) },
      (failure, _stdout, stderr) => {
        if (failure === null) return done(null);
        const line = Number(/:(\d+)\n/.exec(stderr)?.[1]);
        done({ line: line || null, error: /^\w*Error: .*$/m.exec(stderr)?.[0] ?? 'node --check failed' });
      },
    );
  });
}

/**
 * Appends an entry to QAissue.json, in turn with everybody else who does, and once only even if this handler runs twice.
 * Resolves to 0, or to the exit code that says what is to become of the job: nobody's idea is to blame for a file that
 * cannot be appended to just now.
 */
export function handOver(entry) {
  return new Promise((done) => {
    const [program, ...args] = doggedCommand();
    const child = spawn(program, [...args, 'append', '--once', 'QAissue.json', '-'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.on('error', (error) => {
      console.error(`dogged could not be started: ${error.message}`);
      done(EXIT_UNAVAILABLE);
    });
    child.on('close', (code) => done(code === 0 ? 0 : EXIT_TRY_LATER));
    // Whoever ends before reading it all says why by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify(entry));
  });
}

/** dogged tells its handlers where it is; beside that, where npm puts it. */
function doggedCommand() {
  const { DOGGED_BIN } = process.env;
  if (DOGGED_BIN) return [process.execPath, DOGGED_BIN];
  const local = resolve('node_modules/.bin/dogged');
  return [existsSync(local) ? local : 'dogged'];
}
