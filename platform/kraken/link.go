package kraken

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AffiliateLink answers affiliateLink. A link without a subdomain is found by its code, unless the dialect is strict.
func (root) AffiliateLink(ctx context.Context, args struct{ Subdomain text }) (*linkNode, error) {
	c, err := callOf(ctx).field(ctx, "affiliateLink", "links:read")
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(string(args.Subdomain))
	link, err := c.only(ctx, tracker.LinkFilter{Subdomain: name})
	if errors.Is(err, tracker.ErrNotFound) && !c.server.Strict {
		link, err = c.only(ctx, tracker.LinkFilter{Code: name})
	}
	if errors.Is(err, tracker.ErrNotFound) || err == nil && !link.Enabled {
		return nil, codeSubdomain.at(noSuchLink, "subdomain")
	}
	if err != nil {
		return nil, faultOf(err)
	}
	if expired(&link, c.server.Now()) {
		return nil, codeLinkExpired.fault()
	}
	return &linkNode{c, link}, nil
}

// only returns the one link that the filter selects, or tracker.ErrNotFound.
func (c *caller) only(ctx context.Context, f tracker.LinkFilter) (tracker.CatalogLink, error) {
	if f.Subdomain+f.Code == "" || !isLine(f.Subdomain+f.Code, tracker.MaxName) { // the one selects all, PostgreSQL refuses the other
		return tracker.CatalogLink{}, tracker.ErrNotFound
	}
	links, _, err := c.books.CatalogLinks(ctx, c.key.Network, f, tracker.Page{Limit: 1})
	if err != nil {
		return tracker.CatalogLink{}, err
	}
	if len(links) == 0 {
		return tracker.CatalogLink{}, tracker.ErrNotFound
	}
	return links[0], nil
}

// AffiliateLinks answers affiliateLinks, with at most tracker.MaxPage of them.
func (root) AffiliateLinks(ctx context.Context, args struct{ AgentContactEmail text }) ([]*linkNode, error) {
	c, err := callOf(ctx).field(ctx, "affiliateLinks", "links:read")
	if err != nil {
		return nil, err
	}
	email, nodes := strings.TrimSpace(string(args.AgentContactEmail)), []*linkNode{}
	if email == "" || !isLine(email, tracker.MaxName) { // nobody's
		return nodes, nil
	}
	filter := tracker.LinkFilter{ContactEmail: email}
	links, _, err := c.books.CatalogLinks(ctx, c.key.Network, filter, tracker.Page{Limit: tracker.MaxPage})
	if err != nil {
		return nil, faultOf(err)
	}
	for _, link := range links {
		nodes = append(nodes, &linkNode{c, link})
	}
	return nodes, nil
}

// createLinkInput is Kraken's CreateAffiliateLinkInputType.
type createLinkInput struct {
	OrganisationID                       id
	Subdomain, ContactName, ContactEmail text
}

// linkPayload is Kraken's CreateAffiliateLink and its UpdateAffiliateLink.
type linkPayload struct{ link *linkNode }

// AffiliateLink is the field affiliateLink.
func (p *linkPayload) AffiliateLink() *linkNode { return p.link }

// CreateAffiliateLink answers createAffiliateLink. The link has its subdomain as code too, and no destination yet.
func (root) CreateAffiliateLink(ctx context.Context, args struct{ Input createLinkInput }) (*linkPayload, error) {
	c, err := callOf(ctx).change(ctx, "createAffiliateLink", "links:write")
	if err != nil {
		return nil, err
	}
	in := &args.Input
	label := strings.ToLower(string(in.Subdomain))
	fields := tracker.LinkFields{
		Code: label, Subdomain: label, AffiliateID: in.OrganisationID.number(), Enabled: true,
		ContactName: string(in.ContactName), ContactEmail: string(in.ContactEmail),
	}
	var wrong tracker.Invalid
	if fields.AffiliateID == 0 {
		wrong.Add("affiliate_id", "is no affiliate of the network")
	}
	checkSubdomain(&wrong, label)
	for field, value := range map[string]text{"contact_name": in.ContactName, "contact_email": in.ContactEmail} {
		if strings.TrimSpace(string(value)) == "" {
			wrong.Add(field, "is required")
		}
	}
	if err := wrong.Err(); err != nil {
		return nil, faultOf(err)
	}
	link, err := c.books.CreateLink(ctx, c.key.Network, fields)
	return c.changed(ctx, link, err)
}

// updateLinkInput is Kraken's UpdateAffiliateLinkInputType.
type updateLinkInput struct {
	LinkID                                                           id
	OrganisationID                                                   *id
	Subdomain, ContactName, ContactEmail, LandingURL, TrainingStatus *text
	IsBusiness                                                       *truth
}

// UpdateAffiliateLink answers updateAffiliateLink. What is not given, or null, stays.
func (root) UpdateAffiliateLink(ctx context.Context, args struct{ Input updateLinkInput }) (*linkPayload, error) {
	c, err := callOf(ctx).change(ctx, "updateAffiliateLink", "links:write")
	if err != nil {
		return nil, err
	}
	in := &args.Input
	link, err := c.books.UpdateLink(ctx, c.key.Network, in.LinkID.number(), in.apply)
	if errors.Is(err, tracker.ErrNotFound) {
		return nil, codeLinkOwner.of("linkId", "There is no such affiliate link.")
	}
	return c.changed(ctx, link, err)
}

// trainingStatuses are Kraken's, as the books write them.
var trainingStatuses = []tracker.TrainingStatus{tracker.TrainingNotApplicable, tracker.TrainingInTraining, tracker.TrainingQualified}

// apply changes the fields.
func (in *updateLinkInput) apply(f *tracker.LinkFields) error {
	var wrong tracker.Invalid
	if in.OrganisationID != nil {
		if f.AffiliateID = in.OrganisationID.number(); f.AffiliateID == 0 {
			wrong.Add("affiliate_id", "is no affiliate of the network")
		}
	}
	if in.Subdomain != nil {
		f.Subdomain = strings.ToLower(string(*in.Subdomain))
		checkSubdomain(&wrong, f.Subdomain)
	}
	f.ContactName = in.ContactName.or(f.ContactName)
	f.ContactEmail = in.ContactEmail.or(f.ContactEmail)
	f.Destination = in.LandingURL.or(f.Destination)
	if in.TrainingStatus != nil {
		f.TrainingStatus = tracker.TrainingStatus(strings.ToLower(string(*in.TrainingStatus)))
		if !slices.Contains(trainingStatuses, f.TrainingStatus) {
			wrong.Add("training_status", "is none of NOT_APPLICABLE, IN_TRAINING, QUALIFIED")
		}
	}
	if in.IsBusiness != nil {
		f.IsBusiness = bool(*in.IsBusiness)
	}
	return wrong.Err()
}

// changed tells the edges of a link that was made or changed, and answers with it.
func (c *caller) changed(ctx context.Context, link tracker.CatalogLink, err error) (*linkPayload, error) {
	if err != nil {
		return nil, faultOf(err)
	}
	c.server.LinksChanged(ctx)
	return &linkPayload{&linkNode{c, link}}, nil
}

// reserved are the subdomains that Kraken gives to nobody.
var reserved = []string{
	"affiliates", "api", "business", "click", "consul", "developer", "friends", "kraken", "mail", "sendgrid", "tech", "webhooks",
	"www", "www2",
}

// checkSubdomain notes what Kraken would not take. The rest of what makes a host's label the books check.
func checkSubdomain(wrong *tracker.Invalid, label string) {
	if len(label) < 2 {
		wrong.Add("subdomain", "has fewer than two characters")
	} else if slices.Contains(reserved, label) {
		wrong.Add("subdomain", "is a reserved word")
	}
}

// expired reports whether the link's time is over.
func expired(link *tracker.CatalogLink, now time.Time) bool {
	return link.ExpiresAt != nil && !now.Before(*link.ExpiresAt)
}

// linkNode is Kraken's AffiliateLinkType.
type linkNode struct {
	*caller
	link tracker.CatalogLink
}

// ID is the field id.
func (n *linkNode) ID() id { return numberID(n.link.ID) }

// Subdomain is the field subdomain.
func (n *linkNode) Subdomain() string { return n.link.Subdomain }

// TrainingStatus is the field trainingStatus.
func (n *linkNode) TrainingStatus() string { return strings.ToUpper(string(n.link.TrainingStatus)) }

// IsBusiness is the field isBusiness.
func (n *linkNode) IsBusiness() bool { return n.link.IsBusiness }

// ContactName is the field contactName.
func (n *linkNode) ContactName() string { return n.link.ContactName }

// ContactEmail is the field contactEmail.
func (n *linkNode) ContactEmail() string { return n.link.ContactEmail }

// LandingURL is the field landingUrl: the link's destination, or its campaign's landing page.
func (n *linkNode) LandingURL(ctx context.Context) (string, error) {
	if n.link.Destination != "" {
		return n.link.Destination, nil
	}
	campaign, err := n.books.Campaign(ctx, n.key.Network, n.link.CampaignID)
	if err != nil {
		return "", faultOf(err)
	}
	return campaign.LandingPage, nil
}

// Organisation is the field organisation: the link's affiliate.
func (n *linkNode) Organisation(ctx context.Context) (*organisationNode, error) {
	affiliate, err := n.books.Affiliate(ctx, n.key.Network, n.link.AffiliateID)
	if err != nil {
		return nil, faultOf(err)
	}
	return &organisationNode{affiliate}, nil
}
