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

func conversionRefundCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "refund", Short: "Takes part of a conversion's amount back, also before it was reported", Args: none,
		Example: "  caddy affiliate conversion refund --external-id 12345 --refund-id R-1 --amount 10.00 --currency EUR",
	}
	externalID := cmd.Flags().String("external-id", "", "The merchant's `ID` of the conversion")
	refundID := cmd.Flags().String("refund-id", "", "The merchant's `ID` of the refund; the same one again changes nothing")
	kind := cmd.Flags().String("type", string(tracker.TypeBuy), "`TYPE` of the conversion: buy, sale, lead or click")
	source := cmd.Flags().String("source", "", "`SOURCE` of the conversion: "+strings.Join(tracker.Sources, ", ")+" (default api)")
	money := amountFlags(cmd)
	note := cmd.Flags().String("note", "", "`TEXT` for the history")
	required(cmd, "external-id", "refund-id", "amount", "currency")
	cmd.RunE = run(func(c client, _ []string) error {
		amount, err := money.parse()
		if err != nil {
			return err
		}
		body := changes{
			"external_id": *refundID, "conversion_external_id": *externalID, "conversion_type": *kind,
			"amount": amount, "currency": *money.currency,
		}
		body.given(cmd, "source", "source", *source)
		body.given(cmd, "note", "note", *note)
		return show(c, http.MethodPost, "refunds", body, saying[tracker.Refund]("refunded", sayRefund))
	})
	return cmd
}

func conversionRefundsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "refunds", Short: "Lists refunds, newest first, with what of them waits for conversions", Args: none}
	limit := limitFlag(cmd)
	waiting := cmd.Flags().Bool("waiting", false, "Only those of which something waits; with =false, only the others")
	cmd.RunE = run(func(c client, _ []string) error {
		query := url.Values{}
		if cmd.Flags().Changed("waiting") {
			query.Set("waiting", strconv.FormatBool(*waiting))
		}
		t := newTable(c.table(), "REPORTED", "REFUND", "TYPE", "EXTERNAL-ID", "AMOUNT", "TAKEN", "WAITING", "SOURCE", "ID")
		return list(c, "refunds", query, *limit, t, func(r tracker.Refund) []any {
			return []any{timeText(r.CreatedAt), r.ExternalID, r.ConversionType, r.ConversionExternalID, moneyText(r.Amount, r.Currency),
				moneyText(r.Taken, r.Currency), moneyText(r.Waiting, r.Currency), r.Source, r.ID}
		})
	})
	return cmd
}

func refundWithdrawCommand() *cobra.Command {
	return &cobra.Command{
		Use: "withdraw-refund ID", Short: "Withdraws a refund that has taken nothing yet", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodDelete, "refunds/"+url.PathEscape(args[0]), nil, func(w io.Writer, _ struct{}) error {
				_, err := fmt.Fprintf(w, "withdrew refund %s\n", printable(args[0]))
				return err
			})
		}),
	}
}

func sayRefund(r tracker.Refund) string {
	of := fmt.Sprintf("%s %s", printable(string(r.ConversionType)), printable(r.ConversionExternalID))
	if r.Taken == 0 {
		return fmt.Sprintf("nothing yet: %s wait for %s of the source %s (refund id %s)", moneyText(r.Waiting, r.Currency), of,
			printable(r.Source), printable(r.ID))
	}
	said := fmt.Sprintf("%s of %s (id %s)", moneyText(r.Taken, r.Currency), of, printable(r.ConversionID))
	if r.Waiting > 0 {
		said += fmt.Sprintf("; %s wait for more of it", moneyText(r.Waiting, r.Currency))
	}
	return said
}
