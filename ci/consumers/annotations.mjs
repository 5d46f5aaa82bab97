// Writes each annotation anew with @actions/core, from what is read out of it, and compares: the escapes are those that the
// runner undoes.
import assert from 'node:assert'
import { readFileSync } from 'node:fs'

const { issueCommand } = await import(`${process.env.TOOLS}/node_modules/@actions/core/lib/command.js`)
const unescape = text =>
  text.replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')

let written
process.stdout.write = text => (written = text)
for (const line of readFileSync(`${process.argv[2]}/report.github`, 'utf8').trimEnd().split('\n').filter(Boolean)) {
  const [, command, properties, data] = line.match(/^::(error|warning) ([^:]*)::(.*)$/)
  const pairs = properties.split(',').map(pair => pair.split(/=(.*)/s).slice(0, 2))
  issueCommand(command, Object.fromEntries(pairs.map(([name, value]) => [name, unescape(value)])), unescape(data))
  assert.equal(written.trimEnd(), line)
}
