// For each language: the name of the source file, how to run it, and a first version for an idea that brings no code.

const javascript = {
  file: 'main.js',
  run: 'node main.js',
  manifest: (name, code) => {
    const type = /^\s*(?:import|export)\b/m.test(code) ? 'module' : 'commonjs';
    return `${JSON.stringify({ name, private: true, type }, null, 2)}\n`;
  },
  source: (title, text) => `${comment('//', text)}
export function describe() {
  return ${JSON.stringify(title)};
}

console.log(describe());
`,
};

const python = {
  file: 'main.py',
  run: 'python3 main.py',
  source: (title, text) => `${comment('#', text)}
def describe():
    return ${JSON.stringify(title)}


if __name__ == "__main__":
    print(describe())
`,
};

const rust = {
  file: 'main.rs',
  run: 'rustc main.rs && ./main',
  source: (title, text) => `${comment('//', text)}
fn main() {
    println!("{}", ${JSON.stringify(title)});
}
`,
};

const c = {
  file: 'main.c',
  run: 'cc -o main main.c && ./main',
  source: (title, text) => `${comment('//', text)}
#include <stdio.h>

int main(void) {
    puts(${JSON.stringify(title)});
    return 0;
}
`,
};

const cpp = {
  file: 'main.cpp',
  run: 'c++ -o main main.cpp && ./main',
  source: (title, text) => `${comment('//', text)}
#include <iostream>

int main() {
    std::cout << ${JSON.stringify(title)} << std::endl;
}
`,
};

const shell = {
  file: 'main.sh',
  run: 'sh main.sh',
  source: (title, text) => `#!/bin/sh
${comment('#', text)}
printf '%s\\n' '${title.replaceAll("'", "'\\''")}'
`,
};

const go = {
  file: 'main.go',
  run: 'go run main.go',
  source: (title, text) => `${comment('//', text)}
package main

import "fmt"

func main() {
	fmt.Println(${JSON.stringify(title)})
}
`,
};

/** Whatever the language, the idea is kept as text. */
export const plainText = {
  file: 'main.txt',
  run: null,
  source: (title, text) => `${title}\n\n${text}\n`,
};

/** The text as comment lines. */
function comment(mark, text) {
  return text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => `${mark} ${line.replace(/\\+$/, '')}`.trimEnd())
    .join('\n');
}

export const starters = new Map([
  ['javascript', javascript],
  ['js', javascript],
  ['node', javascript],
  ['python', python],
  ['python3', python],
  ['rust', rust],
  ['c', c],
  ['c++', cpp],
  ['cpp', cpp],
  ['bash', shell],
  ['sh', shell],
  ['shell', shell],
  ['go', go],
]);
