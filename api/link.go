package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) links() {
	register(a, operation{
		id: "list-links", method: http.MethodGet, path: "links", scope: "links:read",
		summary: "List links", about: "By id, the oldest first.", answer: List[tracker.CatalogLink]{}, csv: true,
	}, a.listLinks)
	register(a, operation{
		id: "create-link", method: http.MethodPost, path: "links", scope: "links:write", requires: []string{"code"},
		summary: "Add a link", status: http.StatusCreated, answer: tracker.CatalogLink{},
		about: "With affiliate_id, or with affiliate, a name; to make one that is missing the scope `affiliates:write` is needed as well. " +
			"A code is given for ever: a link cannot be deleted, only disabled.",
	}, a.createLink)
	register(a, operation{
		id: "get-link", method: http.MethodGet, path: "links/{id}", scope: "links:read",
		summary: "Read a link", answer: tracker.CatalogLink{},
	}, a.getLink)
	register(a, operation{
		id: "update-link", method: http.MethodPatch, path: "links/{id}", scope: "links:write",
		summary: "Change a link", about: patchAbout + " An expires_at of null takes it away. The code never changes.", answer: tracker.CatalogLink{},
	}, a.updateLink)
}

type linkList struct {
	Paging
	Code         string      `query:"code" doc:"without case"`
	Subdomain    string      `query:"subdomain"`
	AffiliateID  int64       `query:"affiliate_id" minimum:"1"`
	CampaignID   int64       `query:"campaign_id" minimum:"1"`
	Enabled      given[bool] `query:"enabled"`
	ContactEmail string      `query:"contact_email"`
	Source       string      `query:"source" enum:"api,config,session"`
}

func (a *API) listLinks(ctx context.Context, c *call, in *linkList) (answer, error) {
	rows, next, err := c.books.CatalogLinks(ctx, c.network, tracker.LinkFilter{
		Code: in.Code, Subdomain: in.Subdomain, AffiliateID: in.AffiliateID, CampaignID: in.CampaignID,
		Enabled: in.Enabled.pointer(), ContactEmail: in.ContactEmail, Source: in.Source,
	}, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, linkColumns), nil
}

var linkColumns = []column[tracker.CatalogLink]{
	{"id", func(l *tracker.CatalogLink) any { return l.ID }},
	{"code", func(l *tracker.CatalogLink) any { return l.Code }},
	{"affiliate_id", func(l *tracker.CatalogLink) any { return l.AffiliateID }},
	{"affiliate", func(l *tracker.CatalogLink) any { return l.Affiliate }},
	{"campaign_id", func(l *tracker.CatalogLink) any { return l.CampaignID }},
	{"campaign", func(l *tracker.CatalogLink) any { return l.Campaign }},
	{"subdomain", func(l *tracker.CatalogLink) any { return l.Subdomain }},
	{"destination", func(l *tracker.CatalogLink) any { return l.Destination }},
	{"program", func(l *tracker.CatalogLink) any { return l.Program }},
	{"group_id", func(l *tracker.CatalogLink) any { return l.GroupID }},
	{"window_seconds", func(l *tracker.CatalogLink) any { return int64(l.Window) }},
	{"enabled", func(l *tracker.CatalogLink) any { return l.Enabled }},
	{"live", func(l *tracker.CatalogLink) any { return l.Live }},
	{"expires_at", func(l *tracker.CatalogLink) any { return l.ExpiresAt }},
	{"contact_name", func(l *tracker.CatalogLink) any { return l.ContactName }},
	{"contact_email", func(l *tracker.CatalogLink) any { return l.ContactEmail }},
	{"organisation", func(l *tracker.CatalogLink) any { return l.Organisation }},
	{"training_status", func(l *tracker.CatalogLink) any { return string(l.TrainingStatus) }},
	{"is_business", func(l *tracker.CatalogLink) any { return l.IsBusiness }},
	{"source", func(l *tracker.CatalogLink) any { return l.Source }},
	{"created_at", func(l *tracker.CatalogLink) any { return l.CreatedAt }},
	{"updated_at", func(l *tracker.CatalogLink) any { return l.UpdatedAt }},
}

// newLink is the body that adds a link.
type newLink struct {
	tracker.LinkFields
	Affiliate string `json:"affiliate,omitempty" doc:"the affiliate's name, in place of affiliate_id; one that is missing is made"`
}

func (l *newLink) setDefaults() { l.Enabled = true }

func (a *API) createLink(ctx context.Context, c *call, in *struct{ body[newLink] }) (answer, error) {
	fields := in.value.LinkFields
	if name := in.value.Affiliate; name != "" {
		if fields.AffiliateID != 0 {
			return nil, wrongValue("affiliate", "must not be given together with affiliate_id")
		}
		affiliate, err := c.affiliateNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		fields.AffiliateID = affiliate.ID
	}
	link, err := c.books.CreateLink(ctx, c.network, fields)
	return changed(ctx, a, http.StatusCreated, link, err)
}

// affiliateNamed returns the affiliate of that name, and makes it where it is missing.
func (c *call) affiliateNamed(ctx context.Context, name string) (tracker.Affiliate, error) {
	wanted := tracker.AffiliateFields{Name: name}
	if err := wanted.Check(); err != nil { // which also trims the name
		return tracker.Affiliate{}, underField("affiliate", err)
	}
	affiliate, err := c.findAffiliate(ctx, wanted.Name)
	if !errors.Is(err, tracker.ErrNotFound) {
		return affiliate, err
	}
	if !c.key.Allows("affiliates:write") {
		return affiliate, forbidden("To make the affiliate the key needs the scope affiliates:write as well.")
	}
	affiliate, err = c.books.CreateAffiliate(ctx, c.network, wanted)
	if errors.Is(err, tracker.ErrExists) { // somebody was faster
		return c.findAffiliate(ctx, wanted.Name)
	}
	return affiliate, err
}

func (c *call) findAffiliate(ctx context.Context, name string) (tracker.Affiliate, error) {
	rows, _, err := c.books.Affiliates(ctx, c.network, tracker.AffiliateFilter{Name: name}, tracker.Page{Limit: 1})
	if err != nil {
		return tracker.Affiliate{}, err
	}
	if len(rows) == 0 {
		return tracker.Affiliate{}, tracker.ErrNotFound
	}
	return rows[0], nil
}

// underField lays what is wrong with an object at the one field of ours that it was made from.
func underField(field string, err error) error {
	var wrong tracker.Invalid
	if errors.As(err, &wrong) && len(wrong) > 0 {
		return wrongValue(field, wrong[0].Message)
	}
	return err
}

func (a *API) getLink(ctx context.Context, c *call, in *byNumber) (answer, error) {
	link, err := c.books.CatalogLink(ctx, c.network, in.ID)
	return found(link, err)
}

func (a *API) updateLink(ctx context.Context, c *call, in *struct {
	patch[tracker.LinkFields]
	ID int64 `path:"id" minimum:"1"`
}) (answer, error) {
	link, err := c.books.UpdateLink(ctx, c.network, in.ID, in.apply)
	return changed(ctx, a, http.StatusOK, link, err)
}
