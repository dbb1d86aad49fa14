// Package bench measures what the plugin costs a site, as a ratio of two figures from one run: absolute figures are the
// machine's. What the books take has nothing beside it and is in such figures. `make bench` prints both tables. Nothing here
// asserts a time.
package bench

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

const (
	rounds = 5               // of each pair; the table shows the median of the ratios
	span   = 2 * time.Second // of one measurement
)

// bare is Caddy without the plugin's app. Its ports are filled in by sites.
const bare = `{
	auto_https off
	log {
		output discard
	}
}
http://:{$HTTP_PORT} {
	respond "ok"
}
http://:{$PROXY_PORT} {
	reverse_proxy {$UPSTREAM}
}
`

// tracking is the same with the directive, and one site without it in the same process.
const tracking = `{
	auto_https off
	log {
		output discard
	}
	affiliate {
		secret 0123456789abcdef0123456789abcdef
		journal ./affiliate {
			max_size 8GiB
		}
		link demo "Demo Partner"
		%s
	}
}
http://:{$HTTP_PORT} {
	affiliate
	respond "ok"
}
http://:{$PROXY_PORT} {
	affiliate
	reverse_proxy {$UPSTREAM}
}
http://:{$PLAIN_PORT} {
	respond "ok"
}
`

// site is a running Caddy and the addresses of its sites.
type site struct {
	*caddy.Process
	respond, proxy, plain string
}

func start(b *testing.B, caddyfile, upstream string) site {
	b.Helper()
	proxy, plain := caddy.Port(b), caddy.Port(b)
	p := caddy.Start(b, caddyfile, caddy.Env(
		fmt.Sprintf("PROXY_PORT=%d", proxy), fmt.Sprintf("PLAIN_PORT=%d", plain), "UPSTREAM="+upstream))
	return site{p, p.URL, fmt.Sprintf("http://127.0.0.1:%d", proxy), fmt.Sprintf("http://127.0.0.1:%d", plain)}
}

// upstream is the application behind the proxy; each answer takes the wait.
func upstream(b *testing.B, wait time.Duration) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(wait)
		w.Write([]byte("ok"))
	})}
	go server.Serve(l)
	b.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// BenchmarkTable prints the table of ratios.
func BenchmarkTable(b *testing.B) {
	app := upstream(b, 0)
	plain := start(b, bare, app)
	journal := start(b, fmt.Sprintf(tracking, ""), app)
	redis := servers.Redis(b)
	relayed := start(b, fmt.Sprintf(tracking, "redis redis://"+redis.Addr+"/0\n\t\tledger none"), app)
	alone := start(b, fmt.Sprintf(tracking, awayRedis(b)), app)

	rows := [][]string{memory("resident memory, idle, over bare Caddy", "≤ 30 MiB", plain, journal)}
	compare := func(what, bar string, connections int, ours, theirs target) {
		rows = append(rows, ratio(b, what, bar, connections, ours, theirs))
	}
	const click = "/?via=demo"
	respond, proxy := plain.at(plain.respond+"/"), plain.at(plain.proxy+"/")
	compare("request without a referral / the same process without the directive", "≥ 0.97", 64,
		journal.at(journal.respond+"/"), journal.at(journal.plain+"/"))
	for _, c := range []struct {
		who  string
		site site
		bars [3]string // 64 connections, 256, proxied
	}{
		{"journal alone (Redis away)", alone, [3]string{"≥ 0.55", "≥ 0.65", "≥ 0.90"}},
		{"edge only (Redis relay)", relayed, [3]string{"≥ 0.55", "≥ 0.65", "≥ 0.90"}},
		{"edge and hub in one (SQLite)", journal, [3]string{}},
	} {
		ours, proxied := c.site.at(c.site.respond+click), c.site.at(c.site.proxy+click)
		compare("click, fsynced, "+c.who+" / bare respond", c.bars[0], 64, ours, respond)
		compare("click, fsynced, "+c.who+" / bare respond", c.bars[1], 256, ours, respond)
		compare("click behind reverse_proxy, "+c.who+" / plain proxy", c.bars[2], 64, proxied, proxy)
		if c.site == alone {
			alone.Term() // nobody takes its records: its disk and its memory are the others' again
		}
	}
	rows = append(rows, besideNginx(b, relayed.at(relayed.respond+click), relayed.at(relayed.plain+"/"), redis.Addr)...)
	rows = append(rows, memory("the same, after the load above", "", plain, journal))
	for _, done := range []site{journal, relayed} { // and with them what the ledger still had to do
		done.Term()
	}
	rows = append(rows, latency(b, "journal alone", awayRedis(b)), latency(b, "SQLite", ""), catchUp(b))
	rows = append(rows, micro(b)...)
	show(rows)
}

// awayRedis has an edge ship to a Redis that is not there, so that its journal is all that works.
func awayRedis(b *testing.B) string {
	return fmt.Sprintf("redis redis://127.0.0.1:%d/0\n\t\tledger none", caddy.Port(b))
}

// target is an address of a site that is measured.
type target struct {
	site site
	url  string
}

func (s site) at(url string) target { return target{s, url} }

// load loads the target and returns the requests per second that it answers, and the processor time in microseconds that its
// process takes for one, with what goes on in the background meanwhile.
func (t target) load(b *testing.B, connections int) (rate, micros float64) {
	before := t.site.busy(b)
	rate = wrk(b, connections, t.url, span)
	return rate, float64((t.site.busy(b) - before).Microseconds()) / (rate * span.Seconds())
}

// ratio measures two targets in turn and returns the median of the pairs' ratios, with the lowest and the highest, and the
// medians of what both answered and of the processor time that both took.
func ratio(b *testing.B, what, bar string, connections int, ours, theirs target) []string {
	b.Helper()
	wrk(b, connections, theirs.url, span/4) // warm up
	wrk(b, connections, ours.url, span/4)
	var ratios, rate, base, busy, baseBusy []float64
	for range rounds {
		t, tb := theirs.load(b, connections)
		o, ob := ours.load(b, connections)
		ratios, rate, base = append(ratios, o/t), append(rate, o), append(base, t)
		busy, baseBusy = append(busy, ob), append(baseBusy, tb)
	}
	return []string{
		fmt.Sprintf("%s, %d connections", what, connections), bar,
		fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios)),
		fmt.Sprintf("%.0f / %.0f per s, CPU %.0f / %.0f µs each", median(rate), median(base), median(busy), median(baseBusy)),
	}
}

// latency is what a click adds behind an upstream that takes 10 ms, at 4,000 clicks/s.
func latency(b *testing.B, who, options string) []string {
	b.Helper()
	app := upstream(b, 10*time.Millisecond)
	plain, ours := start(b, bare, app), start(b, fmt.Sprintf(tracking, options), app)
	var p50, p99 []float64
	var busy, baseBusy time.Duration
	for range rounds {
		before, baseBefore := ours.busy(b), plain.busy(b)
		base := load.Load{URL: plain.proxy + "/", Rate: 4000, Connections: 128}.For(span)
		click := load.Load{URL: ours.proxy + "/?via=demo", Rate: 4000, Connections: 128}.For(span)
		busy, baseBusy = busy+ours.busy(b)-before, baseBusy+plain.busy(b)-baseBefore
		p50 = append(p50, float64(click.Quantile(.5)-base.Quantile(.5))/1e6)
		p99 = append(p99, float64(click.Quantile(.99)-base.Quantile(.99))/1e6)
	}
	plain.Term()
	ours.Term()
	return []string{"added to a click behind a 10 ms upstream at 4,000/s, " + who + ", p50 and p99", "0, ≤ 2 ms",
		fmt.Sprintf("%.2f ms, %.2f ms", median(p50), median(p99)),
		fmt.Sprintf("difference of medians, driver on the same cores; CPU %.0f / %.0f %% of one core",
			100*busy.Seconds()/(rounds*span.Seconds()), 100*baseBusy.Seconds()/(rounds*span.Seconds()))}
}

// catchUp is how fast the records of an outage of Redis reach the ledger while clicks go on, and what it costs these.
func catchUp(b *testing.B) []string {
	b.Helper()
	const (
		rate   = 2000
		outage = 10 * time.Second
	)
	redis := servers.Redis(b)
	site := start(b, fmt.Sprintf(tracking, "redis redis://"+redis.Addr+"/0"), upstream(b, 0))
	clicks := load.Load{URL: site.respond + "/?via=demo", Rate: rate}
	before := clicks.For(span)
	redis.Kill()
	clicks.For(outage)
	redis.Restart()
	began, due := time.Now(), site.due(b)
	live := clicks.Start()
	for left := due; left > rate/5; left = site.due(b) { // what is under way at any time
		if time.Since(began) > time.Minute {
			b.Fatalf("%d records are still not in the ledger a minute after the outage", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(began)
	after := live.Stop()
	drained := float64(due)/took.Seconds() + rate
	return []string{"catch-up after 10 s without Redis at 2,000 clicks/s, into SQLite / the live rate", "≥ 5",
		fmt.Sprintf("%.0f", drained/rate),
		fmt.Sprintf("%d records in %s; p99 of live clicks %s, before %s", due, took.Round(10*time.Millisecond),
			after.Quantile(.99).Round(10*time.Microsecond), before.Quantile(.99).Round(10*time.Microsecond))}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func show(rows [][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nMEASURED\tBAR\tRESULT (MIN–MAX)\tFIGURES")
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row[0], row[1], row[2], row[3])
	}
	w.Flush()
}
