package caddymodule

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("affiliate", parseGlobalOption)
	httpcaddyfile.RegisterHandlerDirective("affiliate", parseDirective)
	// Ahead of everything that may want its placeholders, and of every cache.
	httpcaddyfile.RegisterDirectiveOrder("affiliate", httpcaddyfile.Before, "map")
}

func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("the global option affiliate is given twice")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "affiliate", Value: caddyconfig.JSON(app, nil)}, nil
}

func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	if err := handler.parse(h); err != nil {
		return nil, err
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	affiliate [<matcher>] {
//	    network        <name>
//	    param          <names...>
//	    path           <prefixes...>
//	    subdomain      <domains...>
//	    strip
//	    cookie         {
//	        name   <name>
//	        domain <domain>
//	        secure auto|on
//	    }
//	    repeat         <duration>
//	    prefetch       refuse
//	    handoff        <hosts...>
//	    forward_header {
//	        key <key>
//	    }
//	    deep_link      <parameter>
//	    conversion     header [<matcher>] [trusted]
//	    conversion     pixel [<path>]
//	    conversion     <matcher> {
//	        type        buy|sale|lead|click
//	        external_id <value>
//	        amount      <value>
//	        currency    <code>
//	        coupon      <value>
//	        customer    <value>
//	        name        <value>
//	    }
//	    consent        cookie <name> <regexp> | <matcher>
//	    gpc            honour|no_share|ignore
//	    ip             full|truncate|hash|none
//	    user_agent     full|none
//	}
//
// The option conversion may be repeated, with header and pixel once each.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return h.parse(httpcaddyfile.Helper{Dispenser: d})
}

// parse reads the directive; the helper knows the site's named matchers.
func (h *Handler) parse(helper httpcaddyfile.Helper) error {
	d := helper.Dispenser
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	check := func(d *caddyfile.Dispenser) error { return wrapErr(d, h.check()) }
	_, err := parseBlock(d, parsers{
		"network":        network(&h.Network),
		"param":          both(texts(&h.Params), check),
		"path":           both(texts(&h.Paths), check),
		"subdomain":      both(texts(&h.Subdomains), check),
		"strip":          flag(&h.Strip),
		"cookie":         h.parseCookie,
		"repeat":         duration(&h.Repeat),
		"prefetch":       word(&h.Prefetch, refusePrefetch),
		"handoff":        both(texts(&h.Handoff), check),
		"forward_header": h.parseForwardHeader,
		"deep_link":      both(text(&h.DeepLink), check),
		"conversion":     func(*caddyfile.Dispenser) error { return h.parseConversion(helper) },
		"consent":        func(*caddyfile.Dispenser) error { return h.parseConsent(helper) },
		"gpc":            word(&h.GPC, gpcValues...),
		"ip":             word(&h.IP, tracker.IPModes...),
		"user_agent":     word(&h.UserAgent, agentValues...),
	}, "conversion")
	if err != nil {
		return err
	}
	whole := Handler{Params: h.Params, DeepLink: h.DeepLink}
	whole.setDefaultParams() // which an option may clash with
	return wrapErr(d, whole.checkParams())
}

func (h *Handler) parseCookie(d *caddyfile.Dispenser) error {
	h.Cookie = new(Cookie)
	check := func(d *caddyfile.Dispenser) error { return wrapErr(d, h.Cookie.check()) }
	return parseSubBlock(d, parsers{
		"name":   both(text(&h.Cookie.Name), check),
		"domain": both(text(&h.Cookie.Domain), check),
		"secure": word(&h.Cookie.Secure, "auto", "on"),
	})
}

func (h *Handler) parseForwardHeader(d *caddyfile.Dispenser) error {
	h.ForwardHeader = new(ForwardHeader)
	return parseSubBlock(d, parsers{"key": both(text(&h.ForwardHeader.Key), func(d *caddyfile.Dispenser) error {
		if key := h.ForwardHeader.Key; !hasPlaceholder(key) && len(strings.TrimSpace(key)) < minForwardKey {
			return d.WrapErr(errForwardKey)
		}
		return nil
	})})
}

func (h *Handler) parseConversion(helper httpcaddyfile.Helper) error {
	if h.Conversion == nil {
		h.Conversion = new(Conversion)
	}
	matcher, isMatcher, err := helper.MatcherToken() // the next argument is the current token then, a matcher or not
	switch {
	case err != nil:
		return helper.WrapErr(err)
	case isMatcher:
		return h.parseConversionBlock(helper.Dispenser, matcher)
	case helper.Val() == "header":
		return h.parseConversionHeader(helper)
	case helper.Val() == "pixel":
		return h.parseConversionPixel(helper.Dispenser)
	}
	return helper.Err("write conversion header [<matcher>] [trusted], conversion pixel [<path>], or conversion <matcher> and a block")
}

func (h *Handler) parseConversionHeader(helper httpcaddyfile.Helper) error {
	if h.Conversion.Header != nil {
		return helper.Err("the option conversion header is given twice")
	}
	header := new(ConversionHeader)
	h.Conversion.Header = header
	matched := false
	for helper.CountRemainingArgs() > 0 {
		matcher, isMatcher, err := helper.MatcherToken()
		switch {
		case err != nil:
			return helper.WrapErr(err)
		case isMatcher && !matched && !header.Trusted:
			matched, header.MatcherSetsRaw = true, matcherSets(matcher)
		case !isMatcher && helper.Val() == "trusted" && !header.Trusted:
			header.Trusted = true
		default:
			return helper.Err("write conversion header [<matcher>] [trusted]")
		}
	}
	return nil
}

func (h *Handler) parseConversionPixel(d *caddyfile.Dispenser) error {
	if h.Conversion.Pixel != nil {
		return d.Err("the option conversion pixel is given twice")
	}
	h.Conversion.Pixel = new(ConversionPixel)
	if !d.NextArg() {
		return nil
	}
	h.Conversion.Pixel.Path = d.Val()
	if err := checkPixelPath(d.Val()); err != nil {
		return d.WrapErr(err)
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

func (h *Handler) parseConversionBlock(d *caddyfile.Dispenser, matcher caddy.ModuleMap) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	b := ConversionBlock{MatcherSetsRaw: matcherSets(matcher)}
	_, err := parseBlock(d, parsers{
		"type":        word(&b.Type, conversionTypes...),
		"external_id": text(&b.ExternalID),
		"amount":      text(&b.Amount),
		"currency":    text(&b.Currency),
		"coupon":      text(&b.Coupon),
		"customer":    text(&b.Customer),
		"name":        text(&b.Name),
	})
	if err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return d.Errf("conversion block: %v", err)
	}
	h.Conversion.Blocks = append(h.Conversion.Blocks, b)
	return nil
}

// matcherSets are the sets of one matcher token; that of * is nil and matches all.
func matcherSets(matcher caddy.ModuleMap) caddyhttp.RawMatcherSets {
	if matcher == nil {
		return nil
	}
	return caddyhttp.RawMatcherSets{matcher}
}

// UnmarshalCaddyfile sets up the app from the tokens of the global option. Syntax:
//
//	affiliate {
//	    network     <name>
//	    secret      <secrets...>
//	    journal     <path> {
//	        max_size     <size>
//	        segment_size <size>
//	        retain       <duration>
//	    }
//	    redis       <addresses...> {
//	        master   <name>
//	        cluster
//	        username <name>
//	        password <password>
//	        db       <number>
//	    }
//	    ledger      sqlite [<path>] | postgres <dsn> | none
//	    window      <duration>
//	    attribution last_click|first_click
//	    organic     assign|reject
//	    retention   {
//	        ip         <duration>
//	        user_agent <duration>
//	        query      <duration>
//	    }
//	    forward     <kind> [<name>] {
//	        <settings>
//	    }
//	    link        <code> [<affiliate>] [<url>] {
//	        subdomain       <label>
//	        deep_link_hosts <hosts...>
//	        window          <duration>
//	    }
//	}
//
// The options secret, forward and link may be repeated.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	_, err := parseBlock(d, parsers{
		"network":     network(&a.Network),
		"secret":      a.parseSecret,
		"journal":     a.parseJournal,
		"redis":       a.parseRedis,
		"ledger":      a.parseLedger,
		"window":      both(duration(&a.Window), func(d *caddyfile.Dispenser) error { return wrapErr(d, checkWindow(a.Window)) }),
		"attribution": word(&a.Attribution, lastClick, firstClick),
		"organic":     word(&a.Organic, organicAssign, organicReject),
		"retention":   a.parseRetention,
		"forward":     a.parseForward,
		"link":        a.parseLink,
	}, "secret", "forward", "link")
	if err == nil && a.Ledger != nil && a.Ledger.Kind == engine.LedgerNone && a.Redis == nil {
		return d.Err("ledger none needs redis, or no record would ever leave this node")
	}
	return err
}

func (a *App) parseSecret(d *caddyfile.Dispenser) error {
	secrets := d.RemainingArgs()
	if len(secrets) == 0 {
		return d.Err("the option secret takes one or more values; " + howToSecret)
	}
	if slices.Contains(secrets, "") {
		return d.Err("a secret is empty; " + howToSecret)
	}
	for _, secret := range secrets {
		if !hasPlaceholder(secret) && utf8.RuneCountInString(strings.TrimSpace(secret)) < tracker.MinSecret {
			return d.Errf("a secret has fewer than %d characters; %s", tracker.MinSecret, howToSecret)
		}
		if slices.Contains(a.Secrets, secret) {
			return d.Err("a secret is given twice")
		}
		a.Secrets = append(a.Secrets, secret)
	}
	return nil
}

func (a *App) parseJournal(d *caddyfile.Dispenser) error {
	a.Journal = new(Journal)
	if err := text(&a.Journal.Path)(d); err != nil {
		return err
	}
	check := func(d *caddyfile.Dispenser) error { return wrapErr(d, a.Journal.checkSizes()) }
	_, err := parseBlock(d, parsers{
		"max_size":     both(size(&a.Journal.MaxSize), check),
		"segment_size": both(size(&a.Journal.SegmentSize), check),
		"retain":       a.parseRetain,
		"max_wait":     a.parseMaxWait,
	})
	return err
}

func (a *App) parseRetain(d *caddyfile.Dispenser) error {
	if err := duration(&a.Journal.Retain)(d); err != nil {
		return err
	}
	if time.Duration(a.Journal.Retain) < engine.MinRetain {
		return d.Errf("retain is at least %s, or what the ledger forgets is lost", engine.MinRetain)
	}
	return nil
}

func (a *App) parseMaxWait(d *caddyfile.Dispenser) error {
	if err := duration(&a.Journal.MaxWait)(d); err != nil {
		return err
	}
	return wrapErr(d, a.Journal.checkMaxWait())
}

func (a *App) parseRedis(d *caddyfile.Dispenser) error {
	a.Redis = new(Redis)
	if err := texts(&a.Redis.Addresses)(d); err != nil {
		return err
	}
	_, err := parseBlock(d, parsers{
		"master":   text(&a.Redis.Master),
		"cluster":  flag(&a.Redis.Cluster),
		"username": text(&a.Redis.Username),
		"password": text(&a.Redis.Password),
		"db":       number(&a.Redis.DB),
	})
	return err
}

func (a *App) parseLedger(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	if args[0] == engine.LedgerNone && len(a.DestinationsRaw) > 0 {
		return d.WrapErr(errNoBooks)
	}
	a.Ledger = &Ledger{Kind: args[0]}
	switch {
	case args[0] == engine.LedgerSQLite && len(args) == 1, args[0] == engine.LedgerNone && len(args) == 1:
	case args[0] == engine.LedgerSQLite && len(args) == 2:
		a.Ledger.Path = args[1]
	case args[0] == engine.LedgerPostgres && len(args) == 2:
		a.Ledger.DSN = args[1]
	default:
		return d.Err("write ledger sqlite [<path>], ledger postgres <dsn> or ledger none")
	}
	return nil
}

func (a *App) parseLink(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 3 {
		return d.ArgErr()
	}
	link := Link{Code: args[0]}
	switch rest := args[1:]; {
	case len(rest) == 2:
		link.Affiliate, link.Destination = rest[0], rest[1]
	case len(rest) == 1 && (strings.Contains(rest[0], "://") || strings.HasPrefix(rest[0], "/")):
		link.Destination = rest[0]
	case len(rest) == 1:
		link.Affiliate = rest[0]
	}
	check := func(d *caddyfile.Dispenser) error {
		if err := checkLink(link.newLink("")); err != nil {
			return d.Errf("link %s: %v", link.Code, err)
		}
		return wrapErr(d, clash(a.Links, link))
	}
	if err := check(d); err != nil {
		return err
	}
	_, err := parseBlock(d, parsers{
		"subdomain":       both(text(&link.Subdomain), check),
		"deep_link_hosts": both(texts(&link.DeepLinkHosts), check),
		"window":          both(duration(&link.Window), check),
	})
	if err != nil {
		return err
	}
	a.Links = append(a.Links, link)
	return nil
}

// network parses an option that names a network.
func network(to *string) func(*caddyfile.Dispenser) error {
	return both(text(to), func(d *caddyfile.Dispenser) error {
		if err := tracker.CheckNetwork(*to); err != nil {
			return d.WrapErr(err)
		}
		return nil
	})
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ caddyfile.Unmarshaler = (*Handler)(nil)
)
