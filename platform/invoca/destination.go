package invoca

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DefaultEndpoint is where Invoca serves networks that have no host of their own.
const DefaultEndpoint = "https://invoca.net"

// DestinationOptions is what the destination works with.
type DestinationOptions struct {
	Endpoint  string // the base of the API's URLs. Empty: DefaultEndpoint
	NetworkID string // the network's number, as it stands in the API's paths
	Token     string // the API token
	AutoID    bool   // an affiliate without an id_from_network is known by our number; otherwise Invoca is not told of it
}

// Destination keeps the affiliates of a network at Invoca as they are here: it puts those that are made or changed, whole, with
// all their sites and users, and deletes or archives there those that are deleted here.
type Destination struct {
	affiliates string // the URL of all of them, without the suffix
	host       string
	token      string
	autoID     bool
}

// NewDestination checks the options. No error repeats the token.
func NewDestination(o DestinationOptions) (*Destination, error) {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	u, err := forward.ParseEndpoint(o.Endpoint)
	o.Token = strings.TrimSpace(o.Token)
	switch {
	case err != nil:
		return nil, err
	case !shownID.MatchString(o.NetworkID) || strings.Trim(o.NetworkID, ".") == "":
		return nil, errors.New("network_id is not the number that stands for the network in Invoca's paths")
	case o.Token == "":
		return nil, errors.New("token is missing: one of Invoca's page Manage API Credentials")
	}
	all := u.String() + prefix + o.NetworkID + "/" + collection
	return &Destination{affiliates: all, host: u.Host, token: o.Token, autoID: o.AutoID}, nil
}

// Kinds implements forward.Destination.
func (*Destination) Kinds() []tracker.EventKind { return []tracker.EventKind{tracker.EventAffiliate} }

// Host implements forward.Destination.
func (d *Destination) Host() string { return d.host }

// Send implements forward.Destination. A test reads all affiliates and changes nothing.
func (d *Destination) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	c := outgoing{d, ctx, client}
	if e.Kind == tracker.EventTest {
		return c.do(http.MethodGet, d.affiliates+suffix, nil, isList)
	}
	former, now := e.FormerID, ""
	if e.Affiliate != nil {
		now = e.Affiliate.IDFromNetwork
	}
	if d.autoID && e.Affiliate != nil && now == "" {
		now = e.Subject
	} else if d.autoID && e.Gone && former == "" {
		former = e.Subject
	}
	answer, err := forward.Answer{}, error(forward.ErrSkip)
	if former != "" {
		answer, err = c.remove(former)
	}
	if now != "" && (err == nil || former == "") {
		answer, err = c.put(e.Affiliate, now)
	}
	return answer, err
}

// outgoing is one attempt.
type outgoing struct {
	*Destination
	ctx    context.Context
	client *forward.Client
}

func (c *outgoing) url(id string) string { return c.affiliates + "/" + url.PathEscape(id) + suffix }

// put makes the affiliate, or changes it: the platform does both with PUT.
func (c *outgoing) put(a *tracker.Affiliate, id string) (forward.Answer, error) {
	return c.do(http.MethodPut, c.url(id), newUpsert(a, id), isAffiliate)
}

// remove deletes an affiliate. The platform refuses it for one that has ever had a campaign, which then is archived; one that it
// does not have it calls deleted.
func (c *outgoing) remove(id string) (forward.Answer, error) {
	answer, err := c.do(http.MethodDelete, c.url(id), nil, isEmpty)
	var f *forward.Failure
	switch {
	case errors.Is(err, errMissing):
		return answer, nil
	case errors.As(err, &f) && f.Permanent:
		return c.do(http.MethodPut, c.url(id), map[string]string{"status": capital(tracker.AffiliateArchived)}, isAffiliate)
	}
	return answer, err
}

// do sends one request and judges the answer.
func (c *outgoing) do(method, target string, body any, taken func([]byte) bool) (forward.Answer, error) {
	key := http.Header{"Authorization": {c.token}}
	response, answer, err := c.client.DoJSON(c.ctx, method, target, key, body, c.token)
	if err != nil {
		return answer, err
	}
	return answer, judge(response, taken, time.Now())
}

// upsert is a whole affiliate as the platform's table has it: without what is read-only, and with contact_phone_number. Its lists
// and texts are there also where they are empty, so that what was taken away here goes there as well.
type upsert struct {
	Affiliate
	ID        any    `json:"id,omitempty"`
	ObjectURL any    `json:"object_url,omitempty"`
	Sites     []site `json:"sites"`
	Users     []user `json:"users"`
}

type site struct {
	IDFromNetwork string `json:"id_from_network"`
	Name          string `json:"name"`
}

type user struct {
	User
	PhoneNumber         any    `json:"phone_number,omitempty"`
	ContactPhoneNumber  string `json:"contact_phone_number"`
	CanLoginViaPlatform any    `json:"can_login_via_platform,omitempty"`
}

// newUpsert writes an affiliate of the books, known to the platform by that id.
func newUpsert(a *tracker.Affiliate, id string) upsert {
	u := upsert{Affiliate: NewAffiliate(a), Sites: []site{}, Users: []user{}}
	u.IDFromNetwork = &id
	for _, s := range a.Sites {
		u.Sites = append(u.Sites, site(s))
	}
	for i := range a.Users {
		u.Users = append(u.Users, user{User: newUser(&a.Users[i]), ContactPhoneNumber: a.Users[i].ContactPhoneNumber})
	}
	return u
}
