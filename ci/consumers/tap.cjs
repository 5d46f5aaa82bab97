// Reads a TAP report with tap-parser, strictly, and compares it with the results that it was made of.
const { readFileSync } = require('node:fs')
const assert = require('node:assert')
const { Parser } = require('tap-parser')

const folder = process.argv[2]
const results = JSON.parse(readFileSync(`${folder}/results.json`))
const parser = new Parser({ strict: true })
const points = []
parser.on('assert', point => points.push(point))
parser.on('bailout', reason => assert.fail(`bail out: ${reason}`))
parser.on('extra', text => assert.fail(`no TAP: ${text}`))
parser.end(readFileSync(`${folder}/report.tap`, 'utf8'))
assert.deepEqual(parser.results.failures.filter(one => one.tapError), [], 'a TAP error')
assert.equal(points.length, results.experiments.length)
results.experiments.forEach((experiment, index) => {
  const point = points[index]
  const bad = ['fail', 'broken'].includes(experiment.outcome)
  assert.equal(point.ok, !bad, point.name)
  assert.equal(Boolean(point.skip), experiment.outcome === 'skip', point.name)
  assert.equal(Boolean(point.todo), bad && experiment.waiver?.state === 'waived', point.name)
  if (bad) assert.equal(point.diag.outcome, experiment.outcome)
  if (bad && experiment.diff) assert.match(point.diag.diff, /^ *\d+ +- /m)
})
