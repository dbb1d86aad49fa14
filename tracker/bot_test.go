package tracker

import (
	"math/rand/v2"
	"strings"
	"testing"
)

var robots = []string{
	"", "-bot", botUA,
	"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
	"Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
	"Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
	"Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
	"Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
	"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
	"meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
	"Twitterbot/1.0", "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
	"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Slack-ImgProxy (+https://api.slack.com/robots)",
	"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "TelegramBot (like TwitterBot)", "WhatsApp/2.23.20.0 A",
	"Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", "Pinterest/0.2 (+https://www.pinterest.com/bot.html)",
	"facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/", "http.rb/5.1.1 (Mastodon/4.2.0; +https://mastodon.social/)",
	"Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
	"Uptime-Kuma/1.23.0", "Site24x7", "kube-probe/1.29", "ELB-HealthChecker/2.0", "Blackbox Exporter/0.25.0",
	"GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)",
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "Claude-User/1.0",
	"Mozilla/5.0 (compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)", "CCBot/2.0 (https://commoncrawl.org/faq/)",
	"Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
	"curl/8.5.0", "Wget/1.21.4", "python-requests/2.32.0", "Python/3.11 aiohttp/3.9.5", "Go-http-client/2.0", "okhttp/4.12.0",
	"Java/17.0.2", "Apache-HttpClient/4.5.13 (Java/11.0.20)", "axios/1.7.2", "node", "undici", "GuzzleHttp/7", "Ruby", "PHP/8.3",
	"libwww-perl/6.67", "PostmanRuntime/7.39.0", "Deno/1.44.0", "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A)", "reqwest/0.12",
	"MyApp/1 CFNetwork/1494.0.7 Darwin/23.4.0", "WordPress/6.5; https://example.com", "Dart/3.4 (dart:io)",
	"Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1682",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36 Chrome-Lighthouse",
	"Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
	"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "Screaming Frog SEO Spider/20.0", "Mozilla/5.0 zgrab/0.x",
	"GOOGLEBOT", "CUBOT but a bot",
}

var people = []string{
	chromeUA,
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
	"Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Linux; Android 10; CUBOT X30 Build/QP1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
	"Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 335.0.0.0.0 (iPhone14,5)",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/468.0]",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.29",
	"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 GSA/15.24",
	"Mozilla/5.0 (Linux; Android 13; SM-A536B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36 musical_ly_2023 BytedanceWebview/d8a21c6",
	"Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116 Mobile Safari/537.36 NAVER(inapp; search; 1000; 12.5.1)",
	"Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80 Safari/537.36 SE 2.X MetaSr 1.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124 YaBrowser/24.6 Yowser/2.5 Safari/537.36",
	"Mozilla/5.0 (Linux; Android 13; Ruby) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126 Mobile Safari/537.36",
	"Amazon CloudFront",
}

func TestIsBot(t *testing.T) {
	for _, ua := range robots {
		if !IsBot(ua) {
			t.Errorf("a person: %q", ua)
		}
		if !IsBot(strings.ToUpper(ua)) {
			t.Errorf("a person in capitals: %q", ua)
		}
	}
	for _, ua := range people {
		if IsBot(ua) {
			t.Errorf("a robot: %q", ua)
		}
	}
}

func TestIsBotReads512Bytes(t *testing.T) {
	if !IsBot(strings.Repeat("x", MaxUserAgent-3) + "bot") {
		t.Error("the last bytes that count are not read")
	}
	if IsBot(strings.Repeat("x", MaxUserAgent-2) + "bot") {
		t.Error("a name beyond 512 bytes is read")
	}
}

// A name that holds another one of the list is dead weight, and one in capitals never matches.
func TestBotNamesAreMinimal(t *testing.T) {
	for i, name := range botNames {
		if name == "" || name != strings.ToLower(name) {
			t.Errorf("%q is not lower case", name)
		}
		for j, other := range botNames {
			if i != j && strings.Contains(name, other) {
				t.Errorf("%q is covered by %q", name, other)
			}
		}
	}
}

// TestMatcherFindsWhatContainsFinds compares the automaton with a plain search, over a small alphabet where names overlap.
func TestMatcherFindsWhatContainsFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(max int) string {
		b := make([]byte, 1+random.IntN(max))
		for i := range b {
			b[i] = "abc"[random.IntN(3)]
		}
		return string(b)
	}
	hits := 0
	for range 2000 {
		names := []string{word(5), word(5), word(5), "^" + word(3), word(3) + "$"}
		m := newMatcher(names, nil)
		text := word(14)
		want := false
		for _, name := range names {
			want = want || strings.Contains("^"+text+"$", name)
		}
		if m.match(text) != want || m.match(strings.ToUpper(text)) != want {
			t.Fatalf("match(%q) in %q is %t", text, names, !want)
		}
		if want {
			hits++
		}
	}
	if hits < 200 || hits > 1900 {
		t.Errorf("%d of 2000 texts matched: the comparison is one-sided", hits)
	}
}

func TestMatcherExceptions(t *testing.T) {
	m := newMatcher([]string{"bot", "ubotx"}, []string{"cubot"})
	for text, want := range map[string]bool{"bot": true, "ubot": true, "cubot": false, "cubotx": true, "cubot bot": true, "ccubot": false} {
		if m.match(text) != want {
			t.Errorf("match(%q) is %t", text, !want)
		}
	}
}

func TestIsBotDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { IsBot(chromeUA) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkIsBot(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		IsBot(chromeUA)
	}
}

// BenchmarkIsBotWorst reads 8 KiB that nearly match all the time.
func BenchmarkIsBotWorst(b *testing.B) {
	ua := strings.Repeat("googleassociationservicgoogleimageproxmediapartners-googl", 8<<10/56)
	b.ReportAllocs()
	for b.Loop() {
		if IsBot(ua) {
			b.Fatal("matches")
		}
	}
}
