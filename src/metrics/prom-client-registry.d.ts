/** The part of prom-client that writes the text: its types cover the package's main entry only. */
declare module 'prom-client/lib/registry.js' {
  const Registry: new () => import('prom-client').Registry;
  export default Registry;
}
