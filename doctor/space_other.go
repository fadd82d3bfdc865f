//go:build !linux

package doctor

import "errors"

// volume is the file system a path lies on.
type volume struct {
	free, size        int64
	inodes, freeNodes uint64
	poor              string
}

func volumeOf(string) (volume, error) { return volume{}, errors.ErrUnsupported }
