// Plays pages of a shop on which a client of Affili's browser routes runs: what a browser does for a script that keeps cookies and
// sends cross-origin requests with credentials, and refuses what a browser refuses. On standard input it takes {script, version,
// pages}, where a page is {url, agent, calls}; it prints {requests, cookies}.
'use strict'

const fs = require('fs')
const http = require('http')
const vm = require('vm')

const cookies = {}
const requests = []
let pending = []

function send(method, url, headers, body) {
    return new Promise((resolve, reject) => {
        const request = http.request(url, {method, headers}, response => {
            let text = ''
            response.on('data', chunk => text += chunk)
            response.on('end', () => resolve({status: response.statusCode, headers: response.headers, text}))
        })
        request.on('error', reject)
        request.end(body)
    })
}

// mayRead is the check of the Fetch standard for a request with credentials, for which no wildcard counts.
function mayRead(headers, origin) {
    return headers['access-control-allow-origin'] === origin && headers['access-control-allow-credentials'] === 'true'
}

function listed(header) {
    return (header || '').split(',').map(name => name.trim().toLowerCase())
}

function browserOn(page) {
    const origin = new URL(page.url).origin
    return class XMLHttpRequest {
        headers = {}
        addEventListener(_, listener) { this.listener = listener }
        open(method, url) { this.method = method; this.url = url }
        setRequestHeader(name, value) { this.headers[name.toLowerCase()] = value }
        send(body) { pending.push(this.exchange(body)) }

        async exchange(body) {
            const shown = {path: new URL(this.url).pathname, body: JSON.parse(body), status: 0}
            requests.push(shown)
            const names = Object.keys(this.headers).sort()
            const preflight = await send('OPTIONS', this.url, {
                origin, 'access-control-request-method': this.method, 'access-control-request-headers': names.join(','),
            })
            const allowed = listed(preflight.headers['access-control-allow-headers'])
            if (preflight.status < 200 || preflight.status > 299 || !mayRead(preflight.headers, origin) ||
                !names.every(name => allowed.includes(name)) ||
                !this.withCredentials) {
                shown.refused = 'preflight'
                return
            }
            const answer = await send(this.method, this.url, {...this.headers, origin, 'user-agent': page.agent}, body)
            if (!mayRead(answer.headers, origin)) {
                shown.refused = 'answer'
                return
            }
            shown.status = this.status = answer.status
            this.response = shown.response = answer.text
            this.readyState = 4
            this.listener.call(this)
        }
    }
}

const documentOf = page => ({
    get cookie() {
        return Object.entries(cookies).map(([name, value]) => name + '=' + value).join('; ')
    },
    set cookie(text) {
        const [pair, ...attributes] = text.split(';')
        const [, name, value] = pair.match(/^([^=]*)=(.*)$/)
        const of = Object.fromEntries(attributes.map(a => a.split('=')).map(([k, v]) => [k.trim().toLowerCase(), v]))
        if (!('.' + new URL(page.url).hostname).endsWith(of.domain)) return
        if (new Date(of.expires) > new Date()) cookies[name] = value
        else delete cookies[name]
    },
})

async function play(script, version, page) {
    const window = vm.createContext({
        location: {href: page.url, hostname: new URL(page.url).hostname},
        document: documentOf(page), XMLHttpRequest: browserOn(page), console,
        affiliData: page.calls, version,
    })
    window.window = window
    pending = []
    vm.runInContext(script, window)
    await new Promise(setImmediate)
    for (let i = 0; i < pending.length; i++) await pending[i]
}

async function main() {
    const {script, version, pages} = JSON.parse(fs.readFileSync(0, 'utf8'))
    for (const page of pages) await play(script, version, page)
    process.stdout.write(JSON.stringify({requests, cookies}))
}

main().catch(error => { console.error(error); process.exit(1) })
