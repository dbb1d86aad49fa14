package caddymodule

import (
	"context"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// What the Caddyfile's parser refuses is refused as JSON as well, and so is what only shows when all is expanded.
func TestInvalidDestinations(t *testing.T) {
	t.Setenv("TEST_EMPTY", "")
	const hook = `"kind": "webhook", "url": "https://example.com", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]`
	for name, c := range map[string]struct{ destinations, want string }{
		"kind":        {`{"kind": "pigeon"}`, "affiliate.destinations.pigeon"},
		"no kind":     {`{"url": "https://example.com"}`, "kind"},
		"field":       {`{` + hook + `, "retries": 3}`, "retries"},
		"twice":       {`{` + hook + `}, {` + hook + `}`, "two destinations are called webhook; give each a name"},
		"name":        {`{` + hook + `, "name": "a b"}`, "destination a b: a destination's name is made of"},
		"network":     {`{` + hook + `, "network": "a b"}`, "a network is"},
		"event":       {`{` + hook + `, "kinds": ["sale"]}`, "it takes no sale, only session.created"},
		"no event":    {`{"kind": "invoca", "network_id": "1", "token": "t", "kinds": ["session.created"]}`, "destination invoca: kinds: it takes no session.created, only affiliate.updated"},
		"allow":       {`{` + hook + `, "allow": ["10.1.0"]}`, "allow: write networks such as 10.1.0.0/16"},
		"concurrency": {`{` + hook + `, "concurrency": 1001}`, "concurrency is not from 1 to 1000"},
		"rate":        {`{` + hook + `, "rate": -1}`, "rate is below zero"},
		"placeholder": {`{"kind": "webhook", "url": "https://example.com", "secrets": ["{env.TEST_NOT_SET}"]}`, "expanding secret 1"},
		"secret":      {`{"kind": "webhook", "url": "https://example.com", "secrets": ["{env.TEST_EMPTY}"]}`, "destination webhook: "},
		"postback":    {`{"kind": "postback", "url": "https://example.com/?a={nothing}"}`, "there is no macro {nothing}"},
		"invoca":      {`{"kind": "invoca", "network_id": "1"}`, "destination invoca: token is missing"},
		"geniuslink":  {`{"kind": "geniuslink", "key": "k", "secret": "s"}`, "destination geniuslink: the endpoint is not a url"},
	} {
		t.Run(name, func(t *testing.T) {
			err := provision(t, `{"destinations": [`+c.destinations+`]}`)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
	none := `{"ledger": {"kind": "none"}, "redis": {"addresses": ["127.0.0.1:1"]}, "secrets": ["` + testSecret + `"], "destinations": [{` + hook + `}]}`
	if err := provision(t, none); err == nil || !strings.Contains(err.Error(), "forward needs a ledger") {
		t.Errorf("without a ledger: %v", err)
	}
}

// Of a destination that is kept as the books are, an older state never overtakes a newer one, whatever is configured.
func TestWhatIsKeptAsItIsIsOrdered(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	for _, module := range []DestinationModule{
		&InvocaDestination{NetworkID: "1", Token: "t"}, &GeniuslinkDestination{Endpoint: "https://example.com", Key: "k", Secret: "s"},
	} {
		o, err := (&App{Network: "default"}).outlet(ctx, module, nil)
		if err != nil || !o.Ordered {
			t.Errorf("%s: %+v, %v", module.CaddyModule().ID, o.Route, err)
		}
	}
	if o, err := (&App{Network: "default"}).outlet(ctx, &AffiliDestination{AccessID: "a"}, nil); err != nil || !o.Ordered || !o.BySession {
		t.Errorf("affili: %+v, %v", o.Route, err)
	}
}

// TestWarningsNameTheDestination has two destinations whose secrets are written out under the same name.
func TestWarningsNameTheDestination(t *testing.T) {
	s := newServer(t)
	t.Setenv("TEST_NO_WARNING", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	const secret, token = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "an-invoca-token"
	s.load(s.adapt(`
		forward webhook {
			url https://example.com
			secret `+secret+`
		}
		forward webhook crm {
			url https://example.com
			secret {env.TEST_NO_WARNING} `+secret+`
		}
		forward invoca {
			network_id 1
			token `+token+`
		}`, ""))
	for _, want := range []string{"secret 1 of forward webhook", "secret 2 of forward crm", "token of forward invoca"} {
		if !strings.Contains(s.log(), `"option":"`+want+`"`) {
			t.Errorf("the log has no warning of the %s:\n%s", want, s.log())
		}
	}
	if strings.Contains(s.log(), secret) || strings.Contains(s.log(), token) {
		t.Errorf("the log shows a secret:\n%s", s.log())
	}
	if n := strings.Count(s.log(), "a secret is written out"); n != 3 {
		t.Errorf("%d warnings of three secrets", n)
	}
}
