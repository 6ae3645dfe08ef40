// Turns an idea into a project folder: outputs/<name>/ with the idea, a README and a source file that was checked.
//
// An idea is { title, description, language?, code? }. It comes on stdin as one line of JSON. What this handler cannot
// finish it hands to QAissue.json, where handlers/rework.mjs has another go; the hand-over itself is then a success.
// Exit codes: 0 done or handed over, 65 no idea at all (never try again), 69 no `dogged` to be found, 75 try later.
import { readFileSync } from 'node:fs';
import { checkSyntax, handOver, projectFolder, readIdea, writeProject } from './project.mjs';

const EXIT_BAD_DATA = 65;

const line = readFileSync(0, 'utf8');
const { idea, problem } = readIdea(line);
if (problem !== null) {
  console.error(problem);
  process.exit(EXIT_BAD_DATA);
}

console.log('::progress 20 writing the files');
const { project, file } = writeProject(idea, line);

console.log('::progress 60 checking the source');
const fault =
  idea.description === ''
    ? { line: null, error: 'the description is missing' }
    : await checkSyntax(project, file);
if (fault === null) {
  console.log(JSON.stringify({ project: projectFolder(project), file, check: 'passed' }));
} else {
  const exitCode = await handOver({
    title: idea.title,
    project: projectFolder(project),
    file,
    round: 1,
    ...fault,
  });
  if (exitCode !== 0) process.exit(exitCode);
  console.log(
    JSON.stringify({
      project: projectFolder(project),
      file,
      check: 'failed',
      handedTo: 'QAissue.json',
      ...fault,
    }),
  );
}
