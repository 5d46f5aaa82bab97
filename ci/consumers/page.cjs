// Opens the page in Chromium: nothing is loaded and nothing complains, at three widths, in light, dark and print; every
// part can be opened with the keyboard, and axe finds no barrier. With a folder as second argument it keeps screenshots.
const assert = require('node:assert')
const { readFileSync } = require('node:fs')
const { basename, resolve } = require('node:path')
const { chromium } = require('playwright-core')

const folder = resolve(process.argv[2])
const screenshots = process.argv[3]
const page = `file://${folder}/report.html`
const results = JSON.parse(readFileSync(`${folder}/results.json`))
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

async function open(browser, options) {
  const context = await browser.newContext(options)
  const tab = await context.newPage()
  const complaints = []
  tab.on('console', message => complaints.push(message.text()))
  tab.on('pageerror', error => complaints.push(String(error)))
  tab.on('dialog', dialog => complaints.push(`dialog: ${dialog.message()}`))
  tab.on('request', request => request.url() === page || complaints.push(`request: ${request.url()}`))
  await tab.goto(page)
  return { tab, complaints, close: () => context.close() }
}

async function keep(tab, name) {
  if (screenshots) await tab.screenshot({ path: `${screenshots}/${basename(folder)}-${name}.png`, fullPage: true })
}

async function look(browser, width, colorScheme) {
  const { tab, complaints, close } = await open(browser, { viewport: { width, height: 900 }, colorScheme })
  assert.equal(await tab.locator('h1').count(), 1)
  assert.match(await tab.locator('h1').innerText(), new RegExp(results.verdict.replace('-', ' ')))
  assert.equal(await tab.locator('details.experiment').count(), results.experiments.length)
  const wide = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  assert.ok(wide <= 0, `${width} px: ${wide} px too wide`)
  await keep(tab, `${width}-${colorScheme}`)
  assert.deepEqual(complaints, [])
  await close()
}

// Everything that is folded away is reached with Tab and opened with Enter.
async function keyboard(browser) {
  const { tab, close } = await open(browser, { viewport: { width: 800, height: 900 } })
  await tab.evaluate(() => document.querySelectorAll('details').forEach(one => (one.open = false)))
  let opened
  do {
    opened = 0
    for (const summary of await tab.locator('details:not([open]) > summary').all()) {
      if (!(await summary.isVisible())) continue
      await summary.press('Enter')
      opened++
      break
    }
  } while (opened > 0)
  assert.equal(await tab.locator('details:not([open])').count(), 0)
  for (const link of await tab.locator('a[href^="#"]').all()) {
    const target = await link.getAttribute('href')
    assert.equal(await tab.locator(`[id="${target.slice(1)}"]`).count(), 1, target)
  }
  await keep(tab, 'open')
  await close()
}

// On paper nothing can be opened, so everything is.
async function print(browser) {
  const { tab, close } = await open(browser, { viewport: { width: 800, height: 900 } })
  await tab.emulateMedia({ media: 'print' })
  for (const session of await tab.locator('details.experiment .session').all()) {
    assert.ok((await session.boundingBox())?.height > 10, 'a session is not printed')
  }
  await keep(tab, 'print')
  await close()
}

async function barriers(browser, colorScheme) {
  const { tab, close } = await open(browser, { viewport: { width: 800, height: 900 }, colorScheme, bypassCSP: true })
  await tab.evaluate(() => document.querySelectorAll('details').forEach(one => (one.open = true)))
  await tab.evaluate(axe)
  const { violations } = await tab.evaluate(() => globalThis.axe.run())
  const found = violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`))
  assert.equal(found.join('\n'), '', colorScheme)
  await close()
}

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags })
  try {
    for (const width of [360, 800, 1400]) {
      for (const colorScheme of ['light', 'dark']) await look(browser, width, colorScheme)
    }
    await keyboard(browser)
    await print(browser)
    for (const colorScheme of ['light', 'dark']) await barriers(browser, colorScheme)
  } finally {
    await browser.close()
  }
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
