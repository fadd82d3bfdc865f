package ocsf

import (
	"fmt"
	"testing"
)

// planDrive maps alerts as a relay does and counts how.
type planDrive struct {
	t       *testing.T
	planner *Planner
	shapes  Shapes
	a       Alert
	ev      *Event
	v       Variables

	alerts, traced int
}

func newPlanDrive(t *testing.T, room int) *planDrive {
	c := mustClass(t, "detection_finding", Version110)
	d := &planDrive{t: t, ev: NewEvent(c)}
	d.planner = NewPlanner(NewMapper(c, Options{}), func(*Event, *Trace) (any, error) {
		d.traced++
		return nil, nil
	})
	d.planner.room = room
	d.a.Share(&d.shapes)
	return d
}

// served maps an alert and reports whether by a plan.
func (d *planDrive) served(line string) bool {
	d.t.Helper()
	d.alerts++
	if d.planner.Recognize(&d.a, []byte(line), corpusNow, &d.v) {
		return true
	}
	if err := d.a.Parse([]byte(line)); err != nil {
		d.t.Fatal(err)
	}
	if d.planner.Find(&d.a, corpusNow, &d.v) {
		return true
	}
	if err := d.planner.Map(&d.a, corpusNow, d.ev); err != nil {
		d.t.Fatal(err)
	}
	return false
}

// ruleAlert is an alert of a rule, with a field of that name.
func ruleAlert(rule int, field string) string {
	return fmt.Sprintf(`{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3,"id":"%d","description":"d"},"manager":{"name":"m"},"data":{"%s":"1"}}`,
		rule, field)
}

// warm maps the alerts of some rules until plans serve them.
func (d *planDrive) warm(hot []string) {
	d.t.Helper()
	for range 3 {
		for _, line := range hot {
			d.served(line)
		}
	}
	for _, line := range hot {
		if !d.served(line) {
			d.t.Fatalf("no plan serves %s", line)
		}
	}
}

// TestPlansInUseStay: what comes but a few times does not drive out what comes again and again, nor is it traced for nothing.
func TestPlansInUseStay(t *testing.T) {
	const room = 64
	for name, once := range map[string]func(i int) string{
		"rules":  func(i int) string { return ruleAlert(1000+i, "f") },
		"shapes": func(i int) string { return ruleAlert(1, fmt.Sprintf("g%d", i)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newPlanDrive(t, room)
			var hot []string
			for i := range room / 2 {
				hot = append(hot, ruleAlert(i, fmt.Sprintf("f%d", i%8)))
			}
			d.warm(hot)
			before := d.alerts
			for i := range 3 * maxShapes { // more names than a tree has room for, too
				line := once(i)
				for range 3 { // the third time it would be traced
					d.served(line)
				}
				if line := hot[i%len(hot)]; !d.served(line) {
					t.Fatalf("after %d others, no plan serves %s", 3*i, line)
				}
				if n := len(d.planner.shapes); n > maxShapes {
					t.Fatalf("%d shapes", n)
				}
				if d.planner.plans > room {
					t.Fatalf("%d plans, there is room for %d", d.planner.plans, room)
				}
			}
			sweeps := (d.alerts - before) / (sweepAlerts * room)
			if most := room + sweeps*room/2; d.traced > most {
				t.Errorf("%d of %d alerts were traced, want %d at most", d.traced, d.alerts-before, most)
			}
		})
	}
}

// TestFullOfPlans: when all plans are in use, nothing else is traced.
func TestFullOfPlans(t *testing.T) {
	const room = 64
	d := newPlanDrive(t, room)
	var lines []string
	for i := range 2 * room {
		lines = append(lines, ruleAlert(i, "f"))
	}
	served := 0
	const rounds = 50 // several sweeps
	for range rounds {
		for _, line := range lines {
			if d.served(line) {
				served++
			}
		}
	}
	if d.traced != room {
		t.Errorf("%d alerts were traced, want %d", d.traced, room)
	}
	if want := (rounds - 4) * room; served < want {
		t.Errorf("plans served %d alerts, want at least %d", served, want)
	}
}

// TestPlansFollowTheLog: when the log is another one for good, its alerts get the places of those that come no more.
func TestPlansFollowTheLog(t *testing.T) {
	const room = 64
	d := newPlanDrive(t, room)
	log := func(first int, field string) (lines []string) {
		for i := range room {
			lines = append(lines, ruleAlert(first+i, field+fmt.Sprint(i%16)))
		}
		return lines
	}
	d.warm(log(0, "f"))
	later := log(1000, "g")
	for range 2*sweepAlerts + 3 { // two sweeps: in the time before the first one, the old plans were of use
		for _, line := range later {
			d.served(line)
		}
	}
	for _, line := range later {
		if !d.served(line) {
			t.Errorf("no plan serves %s", line)
		}
	}
	if n := len(d.planner.shapes); n > 16 {
		t.Errorf("%d shapes, 16 are in use", n)
	}
}

// TestShapesFollowTheLog: the same when there are as many shapes as there may be, and when all names were held that may be.
func TestShapesFollowTheLog(t *testing.T) {
	const room = 64
	for name, alert := range map[string]func(i int) string{
		"shapes": func(i int) string { // few names in many ways
			fields := ""
			for bit := range 13 {
				if i>>bit&1 != 0 {
					fields += fmt.Sprintf(`x%d":"1","`, bit)
				}
			}
			return ruleAlert(1, fields+"x")
		},
		"names": func(i int) string { return ruleAlert(1, fmt.Sprintf(`x%d":"1","y%d`, i, i)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newPlanDrive(t, room)
			for i := range 2 * maxShapes {
				d.served(alert(i))
				d.served(alert(i))
				if tree := d.shapes.tree; tree.held > maxNodes/2 {
					t.Fatalf("%d of %d paths are held", tree.held, len(tree.nodes))
				}
			}
			var later []string
			for i := range room {
				later = append(later, ruleAlert(1, fmt.Sprintf("later%d", i)))
			}
			for range 2*sweepAlerts + 4 {
				for _, line := range later {
					d.served(line)
				}
			}
			d.warm(later)
		})
	}
}

// TestPathsKeepTheirNumbers: a tree that is begun anew knows the paths that are held as the one before, and no others.
func TestPathsKeepTheirNumbers(t *testing.T) {
	var s Shapes
	old := s.forAlert()
	var held, gone []int32
	for i := range 1000 {
		parent := old.node(0, true, fmt.Appendf(nil, "p%d", i))
		child := old.node(parent, false, fmt.Appendf(nil, "c%d", i))
		old.expect(parent, 0, child)
		if i%10 == 0 {
			old.hold(child)
			held = append(held, parent, child)
		} else {
			gone = append(gone, parent, child)
		}
	}
	old.expect(0, held[0], gone[0])
	old.find("p10.c10")
	old.find("p11.c11")
	tree := old.renewed()
	if tree.held != len(held) {
		t.Errorf("%d nodes are held, want %d", tree.held, len(held))
	}
	for _, n := range held {
		if got := tree.lookUp(old.nodes[n].path); got != n {
			t.Errorf("%s is node %d, want %d", old.nodes[n].path, got, n)
		}
	}
	for _, n := range gone {
		if got := tree.lookUp(old.nodes[n].path); got != 0 {
			t.Errorf("%s is node %d, want none", old.nodes[n].path, got)
		}
	}
	if tree.nodes[held[0]].after != [2]int32{} || tree.nodes[held[0]].first[0] != held[1] {
		t.Errorf("behind a path comes %v, below it %v", tree.nodes[held[0]].after, tree.nodes[held[0]].first)
	}
	if got, want := tree.find("p10.c10"), old.lookUp([]byte("p10.c10")); got != want {
		t.Errorf("got node %d, want %d", got, want)
	}
	if got := tree.find("p11.c11"); got != 0 {
		t.Errorf("got node %d, want none", got)
	}
	n := tree.node(0, true, []byte("new"))
	if tree.find("new") != n || tree.held != len(held) || int(n) >= len(old.nodes) {
		t.Errorf("a new path is node %d", n)
	}
	for _, n := range held {
		if n%2 == 0 { // the children; parents go with them
			tree.release(n)
		}
	}
	if tree.held != 0 || tree.heldBytes != 0 {
		t.Errorf("%d nodes of %d bytes are held, want none", tree.held, tree.heldBytes)
	}
}

// TestPlansOfAnOldTree: an alert that was parsed before its tree was renewed is mapped the plain way, and leaves nothing behind.
func TestPlansOfAnOldTree(t *testing.T) {
	d := newPlanDrive(t, 64)
	lines := []string{ruleAlert(1, "f"), ruleAlert(2, "f")}
	d.warm(lines)
	var before Alert
	before.Share(&d.shapes)
	if err := before.Parse([]byte(ruleAlert(3, "g"))); err != nil {
		t.Fatal(err)
	}
	d.shapes.tree = d.shapes.tree.renewed()
	if err := d.a.Parse([]byte(ruleAlert(4, "other"))); err != nil { // which has the number now that g had
		t.Fatal(err)
	}
	shapes := len(d.planner.shapes)
	for range 3 {
		if d.planner.Find(&before, corpusNow, &d.v) {
			t.Error("found a plan for an alert of an old tree")
		}
		if err := d.planner.Map(&before, corpusNow, d.ev); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.planner.shapes); n > shapes {
		t.Errorf("%d shapes, want %d", n, shapes)
	}
	for _, line := range lines {
		if !d.served(line) {
			t.Errorf("no plan serves %s", line)
		}
	}
}
