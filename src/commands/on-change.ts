/** Says a text when it is another one than the last; an empty text says nothing. */
export function onChange(say: (text: string) => void): (text: string) => void {
  let last = '';
  return (text) => {
    if (text !== last && text !== '') say(text);
    last = text;
  };
}
