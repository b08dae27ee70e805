/* tally.js: tells the collector of page views, clicks that leave the site, and what the page says by tally(name, props). It keeps nothing in the
 * browser: no cookies, no storage.
 *
 *   <script defer src="/tally/tally.js"></script>
 *   data-collect="https://stats.example.com"  another host, or the whole address of a collector
 *   data-respect-dnt                          says nothing of visitors who send Do-Not-Track or Global Privacy Control
 *   data-hash                                 /#/a and /#/b are two pages
 *   <script>window.tally = window.tally || function () { (tally.q = tally.q || []).push(arguments) }</script>   for calls before it is loaded */
(function () {
    var script = document.currentScript, waiting = (window.tally && window.tally.q) || [], last, collect
    if (!script) return
    collect = new URL(script.getAttribute('data-collect') || 'collect', script.src)
    if (collect.pathname === '/') collect.pathname = '/tally/collect'

    function respected() {
        return script.hasAttribute('data-respect-dnt') &&
            (navigator.doNotTrack === '1' || window.doNotTrack === '1' || navigator.globalPrivacyControl)
    }

    function send(name, props, referrer) {
        var event = { name: String(name), url: location.href, referrer: referrer || null }, body
        if (respected()) return
        if (props) event.props = props
        body = JSON.stringify(event)
        try {
            if (navigator.sendBeacon && navigator.sendBeacon(collect, body)) return
        } catch (e) { /* it is blocked */ }
        fetch(collect, { method: 'POST', body: body, keepalive: true, credentials: 'omit', mode: 'no-cors' }).catch(function () {})
    }

    function visible(then) {
        function look() {
            if (document.visibilityState !== 'visible' || document.prerendering) return
            document.removeEventListener('visibilitychange', look)
            then()
        }
        document.addEventListener('visibilitychange', look)
        look()
    }

    function view() {
        var here = script.hasAttribute('data-hash') ? location.href : location.href.split('#')[0], before = last
        if (here === before) return
        last = here
        send('page_view', null, before || document.referrer)
    }

    function seen() {
        visible(view)
    }

    function click(event) {
        var link = event.target && event.target.closest && event.target.closest('a[href]')
        if (link && /^https?:$/.test(link.protocol) && link.host !== location.host && (event.type === 'click' || event.button === 1))
            send('outbound_click', { href: link.href })
    }

    ;['pushState', 'replaceState'].forEach(function (name) {
        var before = history[name]
        history[name] = function () {
            var result = before.apply(this, arguments)
            seen()
            return result
        }
    })
    addEventListener('popstate', seen)
    addEventListener('hashchange', seen)
    addEventListener('pageshow', function (event) {
        if (event.persisted) {
            last = undefined
            seen()
        }
    })
    document.addEventListener('click', click, true)
    document.addEventListener('auxclick', click, true)

    window.tally = function (name, props) {
        send(name, props)
    }
    seen()
    for (var i = 0; i < waiting.length; i++) window.tally.apply(null, waiting[i])
})()
