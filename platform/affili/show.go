package affili

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (s *server) showOne(ctx context.Context, c *call, conversion tracker.Conversion) (any, error) {
	rows, err := s.show(ctx, c, []tracker.Conversion{conversion})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// show returns the conversions in the platform's form. Clients and clicks are of their visitors' sessions, which the key has to
// be allowed to read.
func (s *server) show(ctx context.Context, c *call, conversions []tracker.Conversion) ([]Conversion, error) {
	ids := make([]string, len(conversions))
	for i := range conversions {
		ids[i] = conversions[i].ID
	}
	aliases, err := c.books.ConversionAliases(ctx, c.key.Network, ids)
	if err != nil {
		return nil, err
	}
	var sessions []tracker.BookedSession
	if c.key.Allows("sessions:read") {
		if sessions, err = c.books.SessionsOf(ctx, c.key.Network, conversions); err != nil {
			return nil, err
		}
	}
	byOwner := map[string][]*tracker.BookedSession{} // by session id, and by visitor
	for i := range sessions {
		one := &sessions[i]
		byOwner[one.ID.String()] = append(byOwner[one.ID.String()], one)
		if !one.Visitor.IsZero() {
			byOwner[one.Visitor.String()] = append(byOwner[one.Visitor.String()], one)
		}
	}
	rows := make([]Conversion, len(conversions))
	for i := range conversions {
		one := &conversions[i]
		alias, ok := aliases[one.ID]
		if !ok {
			return nil, fmt.Errorf("conversion %s has no alias", one.ID)
		}
		rows[i] = s.conversion(one, alias)
		s.addClicks(&rows[i], sessionsOf(one, byOwner))
	}
	return rows, nil
}

// sessionsOf are the sessions of the conversion's visitor, newest first, or where nothing is known of them its own.
func sessionsOf(c *tracker.Conversion, byOwner map[string][]*tracker.BookedSession) []*tracker.BookedSession {
	own := byOwner[c.SessionID]
	if len(own) == 0 {
		return byOwner[c.VisitorID]
	}
	all := slices.Clone(byOwner[c.VisitorID])
	if !slices.Contains(all, own[0]) {
		all = append(all, own[0])
	}
	return all
}

// conversion is one in the platform's form, without what sessions tell.
func (s *server) conversion(c *tracker.Conversion, alias string) Conversion {
	shown := Conversion{
		ID: alias, Status: slices.Index(statuses, c.Status), Type: string(c.Type),
		Wage: number(c.Wage, c.Currency), Amount: number(c.Amount, c.Currency),
		CreatedAt: s.Calendar.format(c.CreatedAt.In(s.Zone)), UpdatedAt: s.Calendar.format(c.UpdatedAt.In(s.Zone)),
		ExternalID: c.ExternalID, Commissions: make([]Commission, len(c.Commissions)),
		IsClosed: bit(c.IsClosed), CheckedOut: bit(c.CheckedOut),
		Client: Client{Agents: []string{}, IPs: []string{}}, Clicks: []Click{},
	}
	if n, ok := s.Types[c.Type]; ok {
		shown.Type = n
	}
	if c.AffiliateID != 0 {
		shown.Publisher = &Publisher{ID: publisherID(c.AffiliateID), Name: c.Affiliate}
	}
	for i, part := range c.Commissions {
		shown.Commissions[i] = Commission{
			ID: alias + strconv.FormatInt(int64(i+1), 36), Name: part.Name, SubAmount: number(part.SubAmount, c.Currency),
		}
	}
	if c.Currency != s.Currency {
		shown.Currency = c.Currency
	}
	return shown
}

// publisherID is the affiliate's number in five digits or more of base 36, as short as the platform's own ids.
func publisherID(affiliate int64) string {
	return fmt.Sprintf("%05s", strconv.FormatInt(affiliate, 36))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// addClicks adds what the sessions tell.
func (s *server) addClicks(shown *Conversion, sessions []*tracker.BookedSession) {
	for _, one := range sessions {
		shown.Clicks = append(shown.Clicks, Click{
			ID: one.ID.String(), AffID: one.Code, Class: string(one.Class), URL: one.Host + one.Route,
			CreatedAt: s.Calendar.format(one.Time.In(s.Zone)),
		})
		addOnce(&shown.Client.Agents, browserName(one.Browser))
		if _, err := netip.ParseAddr(one.IP); err == nil { // a pseudonym is no address
			addOnce(&shown.Client.IPs, one.IP)
		}
	}
}

func addOnce(list *[]string, text string) {
	if text != "" && !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// browserName is the browser without its version, which the books have behind it.
func browserName(browser string) string {
	if i := strings.LastIndexByte(browser, ' '); i > 0 && browser[i+1:] != "" && strings.Trim(browser[i+1:], "0123456789") == "" {
		return browser[:i]
	}
	return browser
}
