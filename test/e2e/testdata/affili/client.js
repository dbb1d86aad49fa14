// A client of the browser routes on a page of a shop. It sends what Affili's script is known to send, in the version that the
// page sets as `version`: the same paths, header fields, bodies and cookies. None of it is Affili's code.
(function (window) {
    'use strict'

    const {document, location, version} = window
    const routes = {1: 'https://core.affili.ir/api/clients/', 2: 'https://core.affili.ir/api/v2/clients/'}[version]
    const kept = ['affili_token', 'affili_referrer', 'affili_aff_id', 'delete_cookie']
    let account = false

    // Values stay as they stand in the address: percent signs, fragment and all.
    function parameter(name) {
        const found = [...location.href.matchAll(/[?&]+([^=&]+)=([^&]*)/gi)].filter(pair => pair[1] === name).pop()
        return found ? found[2] : false
    }

    function cookie(name) {
        const pair = document.cookie.split('; ').find(text => text.startsWith(name + '='))
        return pair === undefined ? false : pair.slice(name.length + 1)
    }

    // The first version sets cookies for the page's host, the second for the last two labels of it.
    function setCookie(name, value, days) {
        const labels = location.hostname.split('.')
        const domain = '.' + (version === 1 ? labels : labels.slice(-2)).join('.')
        const expires = new Date(Date.now() + days * 24 * 60 * 60 * 1000).toUTCString()
        document.cookie = `${name}=${value};domain=${domain};path=/;expires=${expires}`
    }

    // No answer but 200 counts.
    function post(route, body, answered) {
        const request = new window.XMLHttpRequest()
        request.withCredentials = true
        request.addEventListener('readystatechange', function () {
            if (this.readyState === 4 && this.status === 200) answered(JSON.parse(this.response))
        })
        request.open('POST', routes + route)
        request.setRequestHeader('Content-type', 'application/json; charset=utf-8')
        request.setRequestHeader('Access-Control-Allow-Headers', 'x-requested-with')
        request.send(JSON.stringify(body))
    }

    function visitor() {
        return {
            aff_id: cookie('affili_aff_id'), referrer: cookie('affili_referrer'), token: cookie('affili_token'), account_id: account,
        }
    }

    // Without both of the link's codes nothing is sent. The members have the script's own order.
    function report(first, last = {}, answered = () => {}) {
        const who = visitor()
        if (who.aff_id !== false && who.referrer !== false) post('conversion', {...first, ...who, ...last}, answered)
    }

    function sold(deletes) {
        const allowed = cookie('delete_cookie')
        if (deletes && (allowed === false || allowed === '1' || allowed === 'true')) calls.reset()
    }

    function sale(order, amount, commissions, metaData, deletes) {
        const [first, last] = version === 1
            ? [{meta_data: metaData, coupon: null, type: 'buy'}, {external_id: order, amount, commissions}]
            : [{meta_data: metaData, coupon: null, products: null, type: 'sale'}, {order_id: order, amount}]
        report(first, last, () => sold(deletes))
    }

    const calls = {
        create(id) { account = id },

        detect() {
            const aff_id = parameter('aff_id')
            const referrer = parameter('referrer')
            if (aff_id === false || referrer === false) return
            post('set-cookie', {aff_id, referrer, account_id: account}, ({data}) => {
                const values = [data.token, referrer, aff_id, data.delete_cookie]
                kept.forEach((name, i) => setCookie(name, values[i], data.valid_days))
            })
        },

        conversion(order, amount) { sale(order, amount, [{sub_amount: amount, name: 'default'}], null, true) },

        lead(name) { report({meta_data: {}, type: 'lead'}, version === 1 ? {name} : {}) },

        reset() { kept.forEach(name => setCookie(name, '', -1)) },
    }
    if (version === 1) { // the second has no others
        calls.conversionMulti = (order, amount, commissions, _, deletes = true) => sale(order, amount, commissions, {}, deletes)
        calls.click = () => report({meta_data: {}, type: 'click'})
    }

    for (const [name, ...given] of window.affiliData) calls[name](...given)
})(window)
