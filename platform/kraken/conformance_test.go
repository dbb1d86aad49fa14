package kraken

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
)

// TestDestination runs the suite with a link that has to be looked up: a token, a link and a session are asked for.
func TestDestination(t *testing.T) {
	const key, token = `sk_live_/"secret"&<key>`, "secret.token-of.krakens"
	destinationtest.Run(t, destinationtest.Suite{
		New: func(t *testing.T, endpoint string) forward.Destination {
			return destination(t, endpoint, func(o *DestinationOptions) { o.Links, o.OrganizationSecretKey = nil, key })
		},
		Event: click(),
		Accept: func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch text := string(body); {
			case strings.Contains(text, "obtainKrakenToken"):
				io.WriteString(w, `{"data":{"obtainKrakenToken":{"token":"`+token+`"}}}`)
			case strings.Contains(text, "affiliateLink("):
				io.WriteString(w, `{"data":{"affiliateLink":{"id":"12"}}}`)
			default:
				io.WriteString(w, made)
			}
		},
		BodyDecides: true,
		Secrets:     []string{key, token},
	})
}
