// Has another go at what implement.mjs could not finish. An entry of QAissue.json is
// { title, project, file, round, line, error }; only the title is needed.
//
// Round 1 closes brackets and quotes that were left open. Round 2 comments out the lines that the syntax check names.
// What still fails goes back to QAissue.json as the next round; the third is for a person: the job fails for good, with
// the error as its reason, and `dogged jobs --state failed` shows it.
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { closeWhatIsOpen, commentOutLine } from './mend.mjs';
import {
  checkSyntax,
  EXIT_UNAVAILABLE,
  handOver,
  projectFolder,
  projectName,
  readIfThere,
  writeWhole,
} from './project.mjs';

const LAST_ROUND = 3;
const MOST_LINES = 10;

export default async function rework(entry, { progress }) {
  if (typeof entry?.title !== 'string' || entry.title.trim() === '') {
    throw forAPerson('An entry needs a title: add "title"');
  }
  const { title } = entry;
  const round = Number.isInteger(entry.round) && entry.round > 1 ? entry.round : 1;
  const project = nameFrom(entry.project) ?? projectName(title);
  const file = nameFrom(entry.file) ?? 'main.js';
  const error = String(entry.error ?? 'no error was given');
  if (round >= LAST_ROUND) {
    throw forAPerson(`"${title}" was tried ${LAST_ROUND - 1} times and needs a person: ${error}`);
  }

  progress(20);
  const { what, fault } = await mend(project, file, round);
  progress(80);
  note(project, round, { title, error, what });
  const done = { project: projectFolder(project), round, what };
  if (fault === null) return done;

  const next = { title, project: done.project, file, round: round + 1, ...fault };
  const exitCode = await handOver(next);
  if (exitCode === EXIT_UNAVAILABLE) throw Object.assign(new Error('dogged is away'), { unavailable: true });
  if (exitCode !== 0)
    throw Object.assign(new Error('QAissue.json cannot be appended to'), { retry: 'later' });
  return { ...done, handedTo: 'QAissue.json', ...fault };
}

/** Goes as far as this round may, and says what it did and what is still wrong. A second run finds nothing more to do. */
async function mend(project, file, round) {
  const source = join(projectFolder(project), file);
  const before = readIfThere(source);
  if (before === null) return { what: 'noted only: there is no such source', fault: null };
  const fault = await checkSyntax(project, file);
  if (fault === null) return { what: 'nothing to mend: the source passes the check', fault };
  return round === 1 ? closeOpenOnes(project, file, before) : commentOutFaults(project, file, before, fault);
}

async function closeOpenOnes(project, file, before) {
  const source = join(projectFolder(project), file);
  writeWhole(source, closeWhatIsOpen(before));
  const fault = await checkSyntax(project, file);
  if (fault === null) return { what: 'closed what was left open', fault };
  // What did not help is taken back: the next round must see what the writer wrote.
  writeWhole(source, before);
  return { what: 'closing what was left open did not help', fault: await checkSyntax(project, file) };
}

async function commentOutFaults(project, file, before, firstFault) {
  const source = join(projectFolder(project), file);
  let text = before;
  let fault = firstFault;
  let lines = 0;
  while (fault?.line && lines < MOST_LINES) {
    const next = commentOutLine(text, fault.line, fault.error);
    if (next === text) break;
    text = next;
    lines += 1;
    writeWhole(source, text);
    fault = await checkSyntax(project, file);
  }
  return { what: `commented out ${lines} line${lines === 1 ? '' : 's'}`, fault };
}

/** What was done, beside the project it was done to. */
function note(project, round, { title, error, what }) {
  const folder = projectFolder(project);
  mkdirSync(folder, { recursive: true });
  const text = `# Round ${round}: ${title.replace(/\s+/g, ' ')}\n\nProblem: ${error}\n\nDone: ${what}\n`;
  writeWhole(join(folder, `rework-${round}.md`), text);
}

/** The last part of a path, so that no entry leads out of outputs/; null for what is no name. */
function nameFrom(path) {
  const name = typeof path === 'string' ? basename(path) : '';
  return name === '' || name.startsWith('.') ? null : name;
}

/** Trying again is of no use. */
function forAPerson(message) {
  return Object.assign(new Error(message), { retry: false });
}
