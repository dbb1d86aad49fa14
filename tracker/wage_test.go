package tracker

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func percentRule(name string, percent Percent) Commission {
	return Commission{Name: name, Percent: percent}
}

func fixedRule(name string, amount int64, currency string) Commission {
	return Commission{Name: name, Fixed: &Money{Amount: amount, Currency: currency}}
}

func TestWages(t *testing.T) {
	tests := []struct {
		name  string
		parts []Part
		rules []Commission
		want  []int64
	}{
		{"nothing is paid", []Part{{"default", 9990, 0}}, nil, []int64{0}},
		{"a share", []Part{{"default", 9990, 0}}, []Commission{percentRule("default", 100_000)}, []int64{999}},
		{"half a cent is rounded up", []Part{{"default", 5, 0}}, []Commission{percentRule("default", 100_000)}, []int64{1}},
		{"less than half is not", []Part{{"default", 4, 0}}, []Commission{percentRule("default", 100_000)}, []int64{0}},
		{"by name", []Part{{"shoes", 1000, 0}, {"bags", 1000, 0}}, []Commission{percentRule("bags", 50_000), percentRule("shoes", 100_000)}, []int64{100, 50}},
		{"the default for other names", []Part{{"shoes", 1000, 0}, {"hats", 1000, 0}}, []Commission{percentRule("shoes", 100_000), percentRule("default", 10_000)}, []int64{100, 10}},
		{"no rule and no default", []Part{{"shoes", 1000, 0}, {"hats", 1000, 0}}, []Commission{percentRule("shoes", 100_000)}, []int64{100, 0}},
		{"rounded once: three times 0.4 is 1", []Part{{"a", 4, 0}, {"b", 4, 0}, {"c", 4, 0}}, []Commission{percentRule("default", 100_000)}, []int64{1, 0, 0}},
		{"the largest remainder gets it", []Part{{"a", 3, 0}, {"b", 4, 0}, {"c", 4, 0}}, []Commission{percentRule("default", 100_000)}, []int64{0, 1, 0}},
		{"an exact part gets none of it", []Part{{"a", 10, 0}, {"b", 6, 0}}, []Commission{percentRule("default", 100_000)}, []int64{1, 1}},
		{"a fixed sum", []Part{{"default", 9990, 0}}, []Commission{fixedRule("default", 500, "EUR")}, []int64{500}},
		{"a fixed sum of a lead", []Part{{"default", 0, 0}}, []Commission{fixedRule("default", 500, "EUR")}, []int64{500}},
		{"a fixed sum in another currency", []Part{{"default", 9990, 0}}, []Commission{fixedRule("default", 500, "USD")}, []int64{0}},
		{"a fixed sum is given once", []Part{{"a", 1, 0}, {"b", 1, 0}, {"c", 1, 0}}, []Commission{fixedRule("default", 500, "EUR"), percentRule("a", Hundred)}, []int64{1, 500, 0}},
		{"two fixed sums", []Part{{"a", 1, 0}, {"b", 1, 0}}, []Commission{fixedRule("default", 500, "EUR"), fixedRule("b", 50, "EUR")}, []int64{500, 50}},
		{"all of it", []Part{{"default", MaxAmount, 0}}, []Commission{percentRule("default", Hundred)}, []int64{MaxAmount}},
		{"2^53+1", []Part{{"default", 1<<53 + 1, 0}}, []Commission{percentRule("default", Hundred)}, []int64{1<<53 + 1}},
		{"the smallest share of the largest amount", []Part{{"default", MaxAmount, 0}}, []Commission{percentRule("default", 1)}, []int64{MaxAmount / 1_000_000}},
		{"old wages count for nothing", []Part{{"default", 100, 77}}, []Commission{percentRule("default", 100_000)}, []int64{10}},
		{"no parts", []Part{}, []Commission{percentRule("default", Hundred)}, []int64{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.parts)
			paid := Wages(test.parts, "EUR", test.rules)
			wages := []int64{}
			for i, part := range paid {
				wages = append(wages, part.Wage)
				if part.Name != before[i].Name || part.SubAmount != before[i].SubAmount {
					t.Errorf("part %d is %+v now, was %+v", i, part, before[i])
				}
			}
			if !slices.Equal(wages, test.want) {
				t.Errorf("wages are %d, want %d", wages, test.want)
			}
			if !slices.Equal(test.parts, before) {
				t.Errorf("the parts that were given became %+v", test.parts)
			}
		})
	}
}

func TestEqualRemaindersGoToTheEarlier(t *testing.T) {
	parts := slices.Repeat([]Part{{"default", 3, 0}, {"default", 4, 0}}, MaxParts/2)
	for i, part := range Wages(parts, "EUR", []Commission{percentRule("default", 100_000)}) {
		if gets := i%2 == 1 && i < 2*18; (part.Wage == 1) != gets { // 25 × 0.7 is 17.5, so the first 18 of those with 0.4
			t.Errorf("part %d has the wage %d", i, part.Wage)
		}
	}
}

// randomAmount prefers what is small or at the edge.
func randomAmount(random *rand.Rand) int64 {
	switch random.IntN(4) {
	case 0:
		return random.Int64N(20)
	case 1:
		return MaxAmount - random.Int64N(20)
	default:
		return random.Int64N(MaxAmount + 1)
	}
}

func randomParts(random *rand.Rand) []Part {
	parts := make([]Part, 1+random.IntN(MaxParts))
	for i := range parts {
		parts[i] = Part{Name: strconv.Itoa(random.IntN(8)), SubAmount: randomAmount(random)}
	}
	return parts
}

func TestWagesAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		parts := randomParts(random)
		rules := []Commission{percentRule(DefaultCommission, Percent(random.Int64N(int64(Hundred)+1)))}
		for i := range random.IntN(6) {
			rules = append(rules, percentRule(strconv.Itoa(i), Percent(random.Int64N(int64(Hundred)+1))))
		}
		exact, sum := new(big.Int), int64(0) // millionths of a minor unit; minor units
		for i, part := range Wages(parts, "EUR", rules) {
			share := new(big.Int).Mul(big.NewInt(part.SubAmount), big.NewInt(int64(ruleOf(part.Name, rules).Percent)))
			exact.Add(exact, share)
			floor := share.Div(share, big.NewInt(int64(Hundred))).Int64()
			if part.Wage != floor && part.Wage != floor+1 || part.Wage > part.SubAmount {
				t.Fatalf("part %d of %+v has the wage %d by %+v", i, parts, part.Wage, rules)
			}
			sum += part.Wage
		}
		rounded := exact.Add(exact, big.NewInt(int64(Hundred)/2))
		if rounded.Div(rounded, big.NewInt(int64(Hundred))).Cmp(big.NewInt(sum)) != 0 {
			t.Fatalf("the wages of %+v by %+v add up to %d, want %s", parts, rules, sum, rounded)
		}
	}
}

func TestScaleParts(t *testing.T) {
	tests := []struct {
		name   string
		parts  []Part
		amount int64
		want   []Part
	}{
		{"one", []Part{{"a", 100, 10}}, 40, []Part{{"a", 40, 0}}},
		{"in proportion", []Part{{"a", 300, 1}, {"b", 100, 1}}, 200, []Part{{"a", 150, 0}, {"b", 50, 0}}},
		{"to nothing", []Part{{"a", 300, 1}, {"b", 100, 1}}, 0, []Part{{"a", 0, 0}, {"b", 0, 0}}},
		{"equal remainders go to the earlier", []Part{{"a", 1, 0}, {"b", 1, 0}, {"c", 1, 0}}, 2, []Part{{"a", 1, 0}, {"b", 1, 0}, {"c", 0, 0}}},
		{"the largest remainder first", []Part{{"a", 1, 0}, {"b", 3, 0}}, 2, []Part{{"a", 1, 0}, {"b", 1, 0}}},
		{"upwards", []Part{{"a", 1, 0}, {"b", 2, 0}}, 7, []Part{{"a", 2, 0}, {"b", 5, 0}}},
		{"from nothing", []Part{{"a", 0, 0}, {"b", 0, 0}}, 7, []Part{{"a", 7, 0}, {"b", 0, 0}}},
		{"no parts", nil, 7, []Part{{"default", 7, 0}}},
		{"the largest", []Part{{"a", MaxAmount - 1, 0}, {"b", 1, 0}}, MaxAmount - 1, []Part{{"a", MaxAmount - 2, 0}, {"b", 1, 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := ScaleParts(test.parts, test.amount); !slices.Equal(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestScaledPartsAddUp(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		parts, amount := randomParts(random), randomAmount(random)
		total := new(big.Int)
		for _, part := range parts {
			total.Add(total, big.NewInt(part.SubAmount))
		}
		sum := int64(0)
		for i, part := range ScaleParts(parts, amount) {
			sum += part.SubAmount
			if total.Sign() == 0 {
				continue
			}
			floor := new(big.Int).Mul(big.NewInt(parts[i].SubAmount), big.NewInt(amount))
			floor.Div(floor, total)
			if part.SubAmount != floor.Int64() && part.SubAmount != floor.Int64()+1 || part.Name != parts[i].Name || part.Wage != 0 {
				t.Fatalf("part %d of %+v became %+v at %d", i, parts, part, amount)
			}
		}
		if sum != amount {
			t.Fatalf("%+v scaled to %d add up to %d", parts, amount, sum)
		}
	}
}
