package api

import (
	"context"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) campaigns() {
	register(a, operation{
		id: "list-campaigns", method: http.MethodGet, path: "campaigns", scope: "campaigns:read",
		summary: "List campaigns", about: "By id, the oldest first.", answer: List[tracker.Campaign]{}, csv: true,
	}, a.listCampaigns)
	register(a, operation{
		id: "create-campaign", method: http.MethodPost, path: "campaigns", scope: "campaigns:write", requires: []string{"name"},
		summary: "Add a campaign", status: http.StatusCreated, answer: tracker.Campaign{},
	}, a.createCampaign)
	register(a, operation{
		id: "get-campaign", method: http.MethodGet, path: "campaigns/{id}", scope: "campaigns:read",
		summary: "Read a campaign", answer: tracker.Campaign{},
	}, a.getCampaign)
	register(a, operation{
		id: "update-campaign", method: http.MethodPatch, path: "campaigns/{id}", scope: "campaigns:write",
		summary: "Change a campaign", about: patchAbout, answer: tracker.Campaign{},
	}, a.updateCampaign)
	register(a, operation{
		id: "delete-campaign", method: http.MethodDelete, path: "campaigns/{id}", scope: "campaigns:write", status: http.StatusNoContent,
		summary: "Delete a campaign", about: "One that has a link, a coupon, a conversion or a customer can only be archived.",
	}, a.deleteCampaign)
}

type campaignList struct {
	Paging
	Name     string      `query:"name"`
	Archived given[bool] `query:"archived"`
}

func (a *API) listCampaigns(ctx context.Context, c *call, in *campaignList) (answer, error) {
	rows, next, err := c.books.Campaigns(ctx, c.network, tracker.CampaignFilter{
		Name: in.Name, Archived: in.Archived.pointer(),
	}, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, campaignColumns), nil
}

var campaignColumns = []column[tracker.Campaign]{
	{"id", func(c *tracker.Campaign) any { return c.ID }},
	{"name", func(c *tracker.Campaign) any { return c.Name }},
	{"archived", func(c *tracker.Campaign) any { return c.Archived }},
	{"window_seconds", func(c *tracker.Campaign) any { return int64(c.Window) }},
	{"landing_page", func(c *tracker.Campaign) any { return c.LandingPage }},
	{"duplicates", func(c *tracker.Campaign) any { return string(c.Duplicates) }},
	{"created_at", func(c *tracker.Campaign) any { return c.CreatedAt }},
	{"updated_at", func(c *tracker.Campaign) any { return c.UpdatedAt }},
}

func (a *API) createCampaign(ctx context.Context, c *call, in *struct{ body[tracker.CampaignFields] }) (answer, error) {
	campaign, err := c.books.CreateCampaign(ctx, c.network, in.value)
	return changed(ctx, a, http.StatusCreated, campaign, err)
}

func (a *API) getCampaign(ctx context.Context, c *call, in *byNumber) (answer, error) {
	campaign, err := c.books.Campaign(ctx, c.network, in.ID)
	return found(campaign, err)
}

func (a *API) updateCampaign(ctx context.Context, c *call, in *struct {
	patch[tracker.CampaignFields]
	ID int64 `path:"id" minimum:"1"`
}) (answer, error) {
	campaign, err := c.books.UpdateCampaign(ctx, c.network, in.ID, in.apply)
	return changed(ctx, a, http.StatusOK, campaign, err)
}

func (a *API) deleteCampaign(ctx context.Context, c *call, in *byNumber) (answer, error) {
	if err := c.books.DeleteCampaign(ctx, c.network, in.ID); err != nil {
		return nil, err
	}
	a.linksChanged(ctx)
	return nothing(), nil
}
