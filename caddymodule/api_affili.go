package caddymodule

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/affili"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Affili is the settings of Affili's dialect: its merchants' API, which needs a key, and the routes that its browser script
// calls, which need none and are there for the configured sites only.
type Affili struct {
	// Whether the dialect's tolerances are off.
	Strict bool `json:"strict,omitempty"`

	// By which calendar times in answers are written: `jalali` or `gregorian`. Default: `jalali`.
	Calendar affili.Calendar `json:"calendar,omitempty"`

	// The zone of times in answers, and of those in filters that name none. Default: `Asia/Tehran`.
	Zone string `json:"zone,omitempty"`

	// The currency of amounts (ISO 4217), which are in its major unit. Default: `IRR`.
	Currency string `json:"currency,omitempty"`

	// The numbers by which answers name the types `buy`, `sale`, `lead` and `click`. A type without one is written as its
	// word. Default: 6 for `buy`.
	Types map[tracker.ConversionType]int `json:"types,omitempty"`

	// The origins of the sites on whose pages the script runs, or an application that calls the merchants' API, such as
	// `https://shop.example.com`. Default: none, and no routes for browsers.
	Sites []string `json:"sites,omitempty"`

	// The account id that the script must give. Default: any.
	Account string `json:"account,omitempty"`

	// The network of those sites. Default: the app's network.
	Network string `json:"network,omitempty"`

	// What is kept of the address of a visitor whom the script reports, as in the directive `affiliate`. Default: what the
	// strictest of the network's directives keeps.
	IP tracker.IPMode `json:"ip,omitempty"`

	// Likewise of the user agent.
	UserAgent string `json:"user_agent,omitempty"`

	// What `Sec-GPC: 1` means for such a visitor, as in the directive. Default: what it means to the strictest of them.
	GPC string `json:"gpc,omitempty"`
}

// UnmarshalCaddyfile reads the settings. Syntax:
//
//	affili {
//	    strict
//	    calendar jalali|gregorian
//	    zone <name>
//	    currency <code>
//	    types <buy|sale|lead|click>=<number>...
//	    site <origin...>
//	    account <id>
//	    network <name>
//	    ip full|truncate|hash|none
//	    user_agent full|none
//	    gpc honour|no_share|ignore
//	}
func (s *Affili) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	checked := func(parse func(*caddyfile.Dispenser) error) func(*caddyfile.Dispenser) error {
		return both(parse, func(d *caddyfile.Dispenser) error {
			if err := s.check(); err != nil {
				return d.Err(err.Error())
			}
			return nil
		})
	}
	return parseSubBlock(d, parsers{
		"strict":     flag(&s.Strict),
		"calendar":   word(&s.Calendar, affili.Calendars...),
		"zone":       checked(text(&s.Zone)),
		"currency":   checked(text(&s.Currency)),
		"types":      checked(s.parseTypes),
		"site":       checked(texts(&s.Sites)),
		"account":    text(&s.Account),
		"network":    checked(text(&s.Network)),
		"ip":         word(&s.IP, tracker.IPModes...),
		"user_agent": word(&s.UserAgent, agentValues...),
		"gpc":        word(&s.GPC, gpcValues...),
	})
}

func (s *Affili) parseTypes(d *caddyfile.Dispenser) error {
	var types []string
	if err := texts(&types)(d); err != nil {
		return err
	}
	s.Types = map[tracker.ConversionType]int{}
	for _, one := range types {
		word, digits, _ := strings.Cut(one, "=")
		kind := tracker.ConversionType(word)
		n, err := strconv.Atoi(digits)
		if _, twice := s.Types[kind]; err != nil || twice {
			return d.Errf("types: %q is not a type and its number, such as buy=6, once for each", one)
		}
		s.Types[kind] = n
	}
	return nil
}

// check returns what is wrong with the settings.
func (s *Affili) check() error {
	if s.Calendar != "" && !slices.Contains(affili.Calendars, s.Calendar) {
		return fmt.Errorf("calendar %q is not one of: %s", s.Calendar, listed(affili.Calendars))
	}
	if _, err := s.zone(); err != nil {
		return err
	}
	if err := tracker.CheckCurrency(s.currency()); err != nil {
		return err
	}
	numbers := map[int]bool{}
	for kind, n := range s.Types {
		if !slices.Contains(affiliTypes, kind) || n < 0 || numbers[n] {
			return fmt.Errorf("types: each of %s has one number of its own", listed(affiliTypes))
		}
		numbers[n] = true
	}
	for i, site := range s.Sites {
		if _, err := originOf(site); err != nil {
			return err
		}
		if slices.Contains(s.Sites[:i], site) {
			return fmt.Errorf("site %q is named twice", site)
		}
	}
	if s.Network != "" {
		if err := tracker.CheckNetwork(s.Network); err != nil {
			return err
		}
	}
	return s.modes().checkPrivacy()
}

var affiliTypes = []tracker.ConversionType{tracker.TypeBuy, tracker.TypeSale, tracker.TypeLead, tracker.TypeClick}

func (s *Affili) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(cmp.Or(s.Zone, affili.DefaultZone))
	if err != nil || s.Zone == "Local" {
		return nil, fmt.Errorf("zone: there is no %q", s.Zone)
	}
	return zone, nil
}

func (s *Affili) currency() string {
	return strings.ToUpper(cmp.Or(s.Currency, affili.DefaultCurrency))
}

// modes is a directive of which only the modes of privacy are set.
func (s *Affili) modes() *Handler { return &Handler{IP: s.IP, UserAgent: s.UserAgent, GPC: s.GPC} }

// originOf checks an origin and writes it as browsers do.
func originOf(site string) (string, error) {
	lower := strings.ToLower(site)
	u, err := url.Parse(lower)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Contains(u.Host, "*") ||
		u.Scheme+"://"+u.Host != lower {
		return "", fmt.Errorf("site %q is no origin, such as https://shop.example.com", site)
	}
	standard := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return strings.TrimSuffix(lower, standard), nil
}

// server makes the dialect's server.
func (s *Affili) server(a *App) (*platform.Server, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	zone, err := s.zone()
	if err != nil {
		return nil, err
	}
	return affili.New(affili.Options{
		Options: a.platformOptions(s.Strict),
		Books: func() (affili.Books, error) {
			books, err := a.engine.Ledger()
			if err != nil {
				return nil, err // not a nil ledger in the interface
			}
			return books, nil
		},
		Calendar: s.Calendar,
		Zone:     zone,
		Currency: s.currency(),
		Types:    s.Types,
		Window:   func() time.Duration { return time.Duration(a.Window) },
		Browser:  s.browser(a),
	}), nil
}

// browser is what the script's routes serve.
func (s *Affili) browser(a *App) affili.Browser {
	network := cmp.Or(s.Network, a.Network)
	sites := make([]string, len(s.Sites))
	for i, site := range s.Sites {
		sites[i], _ = originOf(site) // which check has seen
	}
	own := s.modes()
	return affili.Browser{
		Network: network, Sites: sites, Account: s.Account,
		Visitor: func(r *http.Request, now time.Time) affili.Visitor {
			h := a.privacy.strictest(network, own)
			h.app, h.network = a, network
			address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
			return affili.Visitor{
				Address: address, IP: h.address(r, now), UserAgent: h.agent(r), Consent: h.consent(r), NoShare: h.noShare(r),
			}
		},
	}
}
