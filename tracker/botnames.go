package tracker

// botNames are substrings, in lower case, of the user agents that robots document for themselves ('^' and '$': beginning
// and end). Left out on purpose: names that people's browsers and apps carry too ("instagram", "pinterest/", "naver", "sogou",
// "electron"), and "amazon cloudfront", which stands for every visitor where that CDN does not forward the user agent.
var botNames = []string{
	// What nearly all of them say: Googlebot, bingbot, GPTBot, ClaudeBot, Twitterbot, UptimeRobot, "(+https://…/about)" …
	"bot", "crawl", "spider", "scrap", "+http",

	// Search engines and their helpers.
	"slurp", "yeti/", "daumoa", "teoma", "ia_archiver", "heritrix", "nutch", "bingpreview", "mediapartners-google",
	"apis-google", "feedfetcher", "duplexweb-google", "googleother", "googleproducer", "googleassociationservice",
	"googleimageproxy", "google-inspectiontool", "google-read-aloud", "google-adwords", "google-site-verification",
	"google-structured", "google-youtube", "google-safety", "google-hoteladsverifier", "google-shopping", "google favicon",
	"google web preview", "google page speed", "yandexmetrika", "yandeximages",

	// Previews of links in chats and social networks.
	"facebookexternalhit", "facebookcatalog", "meta-external", "meta-webindexer", "^whatsapp/", "slack-imgproxy",
	"skypeuripreview", "microsoftpreview", "snap url preview", "link preview", "linkpreview", "iframely", "embedly",
	"mastodon/", "misskey/", "pleroma", "lemmy/", "cardyb", "flipboardproxy", "vkshare", "outbrain", "metainspector",

	// AI crawlers and agents that name themselves.
	"chatgpt-user", "claude-", "anthropic-ai", "perplexity-user", "cohere-", "mistralai-user", "gemini-deep-research",
	"google-notebooklm", "google-agent", "omgili", "img2dataset", "webzio", "panscient", "novaact",

	// Monitors and health checks.
	"pingdom", "statuscake", "site24x7", "newrelic", "datadog", "uptime", "hetrixtools", "checkly", "catchpoint",
	"gtmetrix", "ptst/", "lighthouse", "speedcurve", "freshping", "check_http", "zabbix", "nagios", "icinga",
	"blackbox exporter", "prometheus", "stackdriver", "healthcheck", "health-check", "health check", "kube-probe", "googlehc",
	"dynatrace", "monitoring",

	// Search-engine marketing, link checkers, archives, feed readers.
	"ahrefs", "semrush", "screaming frog", "sistrix", "seokicks", "serpstat", "siteauditor", "sitechecker", "netcraft",
	"brandwatch", "w3c_validator", "w3c-checklink", "validator.nu", "linkcheck", "link check", "xenu link", "httrack",
	"webcopier", "offline explorer", "archive.org", "feedly", "feedbin", "feedburner", "feedparser", "newsblur",
	"inoreader", "theoldreader", "tiny tiny rss", "miniflux", "freshrss", "simplepie",

	// Scanners.
	"censys", "zgrab", "masscan", "nmap", "nikto", "sqlmap", "nuclei", "expanse", "internetmeasurement",
	"internet-measurement", "l9explore", "wpscan", "gobuster", "acunetix", "nessus", "qualys", "shodan",

	// HTTP libraries and tools.
	"curl/", "wget", "httpie", "postman", "insomnia/", "python", "aiohttp", "urllib", "httpx", "go-http-client", "go-resty",
	"fasthttp", "okhttp", "^java/", "httpclient", "java-http-client", "http_client", "jersey/", "ktor", "reactornetty", "vert.x",
	"axios", "node-fetch", "^node$", "undici", "superagent", "node.js", "nodejs", "^got ", "^deno/", "^bun/", "guzzle", "^php",
	"wordpress/", "symfony", "drupal", "http_request2", "pycurl", "faraday", "^ruby", "rest-client", "httparty", "typhoeus",
	"mechanize", "libwww", "^lwp", "^perl", "winhttp", "powershell", "dart:io", "cfnetwork", "reqwest", "^ureq/",
	"restsharp", "unirest", "alamofire", "^dalvik/", "k6/", "jmeter", "apachebench", "gatling", "vegeta", "locust",
	"^hey/", "^wrk", "^oha/",

	// Headless and driven browsers.
	"headless", "phantomjs", "slimerjs", "htmlunit", "puppeteer", "playwright", "selenium", "webdriver", "cypress/",
	"jsdom", "prerender", "rendertron", "browserless",
}

// notBotNames end with a name of botNames and belong to people: CUBOT makes telephones.
var notBotNames = []string{"cubot"}
