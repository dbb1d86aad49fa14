// Package affili speaks Affili's dialect: the merchants' REST API, with a key, and the routes that its browser script calls,
// without one.
package affili

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// name is the dialect's, in metrics and logs.
const name = "affili"

// DefaultCurrency is that of the platform's own amounts: the Iranian rial.
const DefaultCurrency = "IRR"

// DefaultZone is the zone of the platform's own times.
const DefaultZone = "Asia/Tehran"

// Options is what the dialect's server works with.
type Options struct {
	platform.Options
	// Books returns the ledger; while it returns an error, requests are answered with 503.
	Books func() (Books, error)
	// Calendar is that of times in answers. Default: Jalali.
	Calendar Calendar
	// Zone is that of times in answers, and of those in filters that name none. Default: DefaultZone.
	Zone *time.Location
	// Currency is that of amounts, which are in its major unit. Default: DefaultCurrency.
	Currency string
	// Types are the numbers that answers have for types of conversion; a type without one is written as its word. Default:
	// 6 for buy, the only one that the platform's documents show.
	Types map[tracker.ConversionType]int
	// Window is how long a click earns where neither its link nor its campaign says. Nil: tracker.DefaultWindow.
	Window func() time.Duration
	// Browser is what the routes without a key serve.
	Browser Browser
}

// Browser is what the routes of the script serve. Without sites they are not there.
type Browser struct {
	// Network is that of the sites. Default: tracker.DefaultNetwork.
	Network string
	// Sites are the origins from which the script may call, such as https://shop.example.com.
	Sites []string
	// Account is the id that the script has to give. Empty: any.
	Account string
	// Visitor tells what is known of who sent a request. Nil: the address of the connection, of which nothing is kept.
	Visitor func(r *http.Request, now time.Time) Visitor
}

// Visitor is who sent a request of a browser.
type Visitor struct {
	Address   string // by which requests are counted; it is kept nowhere
	IP        string // what is kept of it
	UserAgent string // likewise
	Consent   string // tracker.ConsentGiven, tracker.ConsentRefused, or empty where nobody asks
	NoShare   bool   // the session is forwarded to nobody
}

// server answers requests.
type server struct {
	Options
	limits limits
}

// New returns the dialect's server.
func New(o Options) *platform.Server {
	s := &server{Options: o.withDefaults()}
	return &platform.Server{
		Name:    name,
		Owns:    owns,
		Handler: s,
		Broken:  func(w http.ResponseWriter, _ *http.Request) { s.fail(w, "", &errInternal) },
		Logger:  s.Logger,
	}
}

func (o Options) withDefaults() Options {
	o.Options = o.Options.WithDefaults()
	if o.Calendar == "" {
		o.Calendar = Jalali
	}
	if o.Zone == nil {
		zone, err := time.LoadLocation(DefaultZone)
		if err != nil {
			panic(err) // it is compiled in
		}
		o.Zone = zone
	}
	if o.Currency == "" {
		o.Currency = DefaultCurrency
	}
	if o.Types == nil {
		o.Types = map[tracker.ConversionType]int{tracker.TypeBuy: 6}
	}
	if o.Window == nil {
		o.Window = func() time.Duration { return tracker.DefaultWindow }
	}
	if o.Browser.Network == "" {
		o.Browser.Network = tracker.DefaultNetwork
	}
	if o.Browser.Visitor == nil {
		o.Browser.Visitor = func(r *http.Request, _ time.Time) Visitor { return Visitor{Address: r.RemoteAddr} }
	}
	return o
}

// The paths of the dialect.
const (
	merchantPrefix  = "/api/merchants/"
	browserPrefixV1 = "/api/clients/"
	browserPrefixV2 = "/api/v2/clients/"
)

func owns(path string) bool {
	return strings.HasPrefix(path, merchantPrefix) || strings.HasPrefix(path, browserPrefixV1) ||
		strings.HasPrefix(path, browserPrefixV2)
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, merchantPrefix); ok {
		s.serveMerchant(w, r, rest)
	} else if rest, ok := strings.CutPrefix(path, browserPrefixV2); ok {
		s.serveBrowser(w, r, rest, version2)
	} else if rest, ok := strings.CutPrefix(path, browserPrefixV1); ok {
		s.serveBrowser(w, r, rest, version1)
	} else {
		s.fail(w, "", errNoRoute)
	}
}

// respond answers with data, or with the failure that err is.
func (s *server) respond(w http.ResponseWriter, tag string, data any, err error) {
	if err != nil {
		s.fail(w, tag, err)
		return
	}
	envelope := Envelope{Status: "ok", Tag: tag, Data: data, APIVersion: apiVersion}
	if p, ok := data.(page); ok {
		envelope.Data, envelope.Meta = p.rows, p.meta
	}
	write(w, http.StatusOK, envelope)
}

// page is the data of a list.
type page struct {
	rows []Conversion
	meta *Meta // nil on the last one
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(answer) // what fails here is the connection
}
