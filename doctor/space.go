package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"wazuh-security-lake/config"
)

// minNodes is how many free inodes a spool wants: a batch takes a handful.
const minNodes = 1000

// checkSpace compares the free space with what the spool may take and must leave.
func checkSpace(c config.Spool) func(context.Context) Result {
	return func(ctx context.Context) Result {
		at := existing(c.Dir)
		v, err := volumeOf(at)
		if err != nil {
			return skipped("%s: %v", at, err)
		}
		return judgeSpace(c, at, v, usedBelow(ctx, c.Dir))
	}
}

// judgeSpace is checkSpace without a disk. used is what the spool holds already.
func judgeSpace(c config.Spool, at string, v volume, used int64) Result {
	free, minFree, maxSize := human(v.free), c.MinFree, c.MaxSize
	room := maxSize.Bytes() - used // what it may still grow by
	switch {
	case v.free < minFree.Bytes():
		return failure(IO, fmt.Sprintf("%s free on the disk of %s, less than spool.min_free (%s): reading pauses", free, at, minFree),
			"free space on that disk (du -xsh "+quote(at)+"/* | sort -h), or lower spool.min_free")
	case v.inodes > 0 && v.freeNodes < minNodes:
		return failure(IO, fmt.Sprintf("%d of %d inodes free on the disk of %s", v.freeNodes, v.inodes, at), "remove small files on that disk: df -i "+quote(at))
	case v.free-minFree.Bytes() < room:
		return warning(fmt.Sprintf("%s free on the disk of %s: with spool.min_free (%s) left alone the spool cannot grow to spool.max_size (%s)", free, at, minFree, maxSize),
			"a larger disk keeps more while S3 is away; or set spool.max_size to what is there")
	case v.poor != "":
		return warning(fmt.Sprintf("%s is on %s", at, v.poor), "put spool.dir on a local disk; in a container on a volume")
	}
	return passed("%s free on the disk of %s; the spool holds %s and may grow to %s", free, at, human(used), maxSize)
}

// human is a size as people read it; config.Size is exact instead.
func human(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(bytes), 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// usedBelow adds up the sizes of the files below dir, as far as this user may see them.
func usedBelow(ctx context.Context, dir string) int64 {
	var sum int64
	seen := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // what cannot be read counts as nothing
		if seen++; seen > maxLook || ctx.Err() != nil {
			return fs.SkipAll
		}
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}
