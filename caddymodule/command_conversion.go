package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func conversionGroup() *cobra.Command {
	cmd := group("conversion", "Reports, lists and judges conversions: sales, leads and clicks that earn money")
	cmd.AddCommand(conversionListCommand(), conversionShowCommand(), conversionAddCommand(),
		conversionSetCommand("approve", "Approves a conversion", "approved", changes{"status": tracker.StatusApproved}),
		conversionSetCommand("reject", "Rejects a conversion, which then earns nothing", "rejected", changes{"status": tracker.StatusRejected}),
		conversionSetCommand("pay", "Notes that an approved conversion was paid out, which closes it", "paid", changes{"paid": true}),
		conversionReverseCommand(), conversionRefundCommand(), conversionRefundsCommand(), refundWithdrawCommand())
	return cmd
}

func conversionListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists conversions, newest first", Args: none}
	limit := limitFlag(cmd)
	status := cmd.Flags().String("status", "", "Only those with this `STATUS`: pending, approved, rejected or duplicated")
	kind := cmd.Flags().String("type", "", "Only those of this `TYPE`: buy, sale, lead or click")
	externalID := cmd.Flags().String("external-id", "", "Only those with this `ID` of the merchant's, such as the order's number")
	source := cmd.Flags().String("source", "", "Only those that came by this `SOURCE`: "+strings.Join(tracker.Sources, ", "))
	reversed := cmd.Flags().Bool("reversed", false, "Only those that were reversed; with =false, only those that were not")
	closed := cmd.Flags().Bool("closed", false, "Only those that were paid; with =false, only those that were not")
	affiliate := numberFlag(cmd, "affiliate-id", 0, 1, "Only those that this affiliate earns, a `NUMBER`")
	cmd.RunE = run(func(c client, _ []string) error {
		query := url.Values{}
		for name, value := range map[string]string{"status": *status, "type": *kind, "external_id": *externalID, "source": *source} {
			if value != "" {
				query.Set(name, value)
			}
		}
		for flag, value := range map[string]*bool{"reversed": reversed, "closed": closed} {
			if cmd.Flags().Changed(flag) {
				query.Set("is_"+flag, strconv.FormatBool(*value))
			}
		}
		if *affiliate != 0 {
			query.Set("affiliate_id", fmt.Sprint(*affiliate))
		}
		t := newTable(c.table(), "TIME", "TYPE", "EXTERNAL-ID", "AMOUNT", "WAGE", "STATUS", "AFFILIATE", "CODE", "SOURCE", "ID")
		return list(c, "conversions", query, *limit, t, func(v tracker.Conversion) []any {
			return []any{timeText(v.OccurredAt), v.Type, v.ExternalID, moneyText(v.Amount, v.Currency), moneyText(v.Wage, v.Currency),
				stateOf(v), v.Affiliate, v.Code, v.Source, v.ID}
		})
	})
	return cmd
}

func stateOf(v tracker.Conversion) string {
	switch {
	case v.CheckedOut && v.IsReversed:
		return "paid, reversed"
	case v.IsReversed:
		return "reversed"
	case v.CheckedOut:
		return "paid"
	}
	return string(v.Status)
}

func conversionShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Shows a conversion, why its affiliate earns it, and its history", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodGet, "conversions/"+url.PathEscape(args[0]), nil, showConversion)
		}),
	}
}

func showConversion(w io.Writer, v tracker.Conversion) error {
	f := newFacts(w)
	f.add("id", v.ID)
	f.add("network", v.Network)
	f.add("type", v.Type)
	f.add("external id", v.ExternalID)
	f.add("source", v.Source)
	f.add("status", stateOf(v))
	f.add("amount", moneyText(v.Amount, v.Currency))
	for _, part := range v.Commissions {
		f.add("commission", fmt.Sprintf("%s of %s: %s", part.Name, moneyText(part.SubAmount, v.Currency), moneyText(part.Wage, v.Currency)))
	}
	f.add("wage", moneyText(v.Wage, v.Currency))
	f.add("affiliate", v.Affiliate)
	f.add("campaign", v.Campaign)
	f.add("link", v.Code)
	f.add("session", v.SessionID)
	f.add("customer", v.CustomerID)
	f.add("coupon", v.Coupon)
	f.add("name", v.Name)
	f.add("occurred", timeText(v.OccurredAt))
	f.add("reported", timeText(v.CreatedAt))
	if err := f.Flush(); err != nil {
		return err
	}
	if err := showDecision(w, v.Decision); err != nil {
		return err
	}
	return showHistory(w, v)
}

func showDecision(w io.Writer, d tracker.Decision) error {
	if _, err := fmt.Fprintf(w, "\nDecision by %s: %s\n", printable(string(d.Rule)), printable(d.Reason)); err != nil {
		return err
	}
	if len(d.Considered) == 0 {
		return nil
	}
	t := newTable(w, "EVIDENCE", "CODE", "AFFILIATE", "CAMPAIGN", "CLICKED", "WINDOW", "OUTCOME", "SESSION")
	for _, touch := range d.Considered {
		clicked := ""
		if touch.Time != nil {
			clicked = timeText(*touch.Time)
		}
		window := ""
		if touch.Window > 0 {
			window = secondsText(touch.Window)
		}
		err := t.row(touch.Evidence, touch.Code, touch.Affiliate, touch.Campaign, clicked, window, touch.Outcome, touch.SessionID)
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

func showHistory(w io.Writer, v tracker.Conversion) error {
	if _, err := fmt.Fprintln(w, "\nHistory"); err != nil {
		return err
	}
	t := newTable(w, "N", "TIME", "CHANGE", "STATUS", "AMOUNT", "WAGE", "BY", "NOTE")
	t.wholeEnd = true
	for _, h := range v.History {
		note := strings.TrimSpace(h.ExternalID + " " + h.Note)
		err := t.row(h.N, timeText(h.Time), h.Kind, h.Status, moneyText(h.Amount, v.Currency), moneyText(h.Wage, v.Currency), h.Actor, note)
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

func conversionAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add", Short: "Reports a conversion; the same one again changes nothing", Args: none,
		Example: "  caddy affiliate conversion add --external-id 12345 --amount 99.90 --currency EUR --token v1.…",
	}
	externalID := cmd.Flags().String("external-id", "", "The merchant's `ID` of it, such as the order's number")
	kind := cmd.Flags().String("type", string(tracker.TypeBuy), "`TYPE`: buy, sale, lead or click")
	money := amountFlags(cmd)
	status := cmd.Flags().String("status", "", "`STATUS`: pending or approved (default pending)")
	token := cmd.Flags().String("token", "", "The visitor's `TOKEN`, from the cookie")
	session := cmd.Flags().String("session", "", "The `ID` of the session that brought them")
	customer := cmd.Flags().String("customer", "", "The merchant's `ID` of a customer that was reported")
	coupon := cmd.Flags().String("coupon", "", "The coupon's `CODE` that was used")
	occurred := timeFlag(cmd, "occurred-at", "The day or `TIME` (UTC) of it (default now)")
	required(cmd, "external-id", "amount", "currency")
	cmd.RunE = run(func(c client, _ []string) error {
		amount, err := money.parse()
		if err != nil {
			return err
		}
		body := changes{"external_id": *externalID, "type": *kind, "amount": amount, "currency": *money.currency}
		body.given(cmd, "status", "status", *status)
		body.given(cmd, "token", "token", *token)
		body.given(cmd, "session", "session_id", *session)
		body.given(cmd, "customer", "customer_external_id", *customer)
		body.given(cmd, "coupon", "coupon", *coupon)
		body.given(cmd, "occurred-at", "occurred_at", *occurred)
		return show(c, http.MethodPost, "conversions", body, saying[tracker.Conversion]("reported", sayConversion))
	})
	return cmd
}

// money are the flags of an amount.
type money struct{ amount, currency *string }

func amountFlags(cmd *cobra.Command) money {
	return money{
		amount:   cmd.Flags().String("amount", "", "Decimal `AMOUNT`, such as 99.90"),
		currency: cmd.Flags().String("currency", "", "`CODE` of its currency, such as EUR"),
	}
}

// parse returns the amount in minor units.
func (m money) parse() (int64, error) {
	*m.currency = strings.ToUpper(*m.currency)
	if err := tracker.CheckCurrency(*m.currency); err != nil {
		return 0, fmt.Errorf("--currency: %w", err)
	}
	amount, err := tracker.ParseAmount(*m.amount, *m.currency)
	if err != nil {
		return 0, fmt.Errorf("--amount: %w", err)
	}
	return amount, nil
}

// required makes flags obligatory.
func required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // there is no flag of that name
		}
	}
}

func conversionSetCommand(verb, short, done string, body changes) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: one("ID")}
	note := cmd.Flags().String("note", "", "`TEXT` for the history")
	cmd.RunE = run(func(c client, args []string) error {
		body.given(cmd, "note", "note", *note)
		return show(c, http.MethodPatch, "conversions/"+url.PathEscape(args[0]), body, saying[tracker.Conversion](done, sayConversion))
	})
	return cmd
}

func conversionReverseCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "reverse ID", Short: "Takes all that is left of a conversion back, also after it was paid", Args: one("ID")}
	note := cmd.Flags().String("note", "", "`TEXT` for the history")
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{}
		body.given(cmd, "note", "note", *note)
		return show(c, http.MethodPost, "conversions/"+url.PathEscape(args[0])+"/reversal", body, saying[tracker.Conversion]("reversed", sayConversion))
	})
	return cmd
}

func sayConversion(v tracker.Conversion) string {
	earns := "nobody earns it"
	if v.AffiliateID != 0 {
		earns = fmt.Sprintf("%s earns %s", printable(v.Affiliate), moneyText(v.Wage, v.Currency))
	}
	return fmt.Sprintf("%s %s of %s (id %s), %s: %s", printable(string(v.Type)), printable(v.ExternalID), moneyText(v.Amount, v.Currency),
		printable(v.ID), printable(stateOf(v)), earns)
}
