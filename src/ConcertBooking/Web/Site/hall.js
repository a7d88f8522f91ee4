// A plan as places on a plane: every seat with its name, price and coordinates, and a grid to find the seat at a point.

const seatPitch = 0.5, rowPitch = 1, plainRowPitch = 0.7; // in the units of layouts, metres

/** All seats of a plan in the order of their numbers, so that a seat's index is its number less one. */
export class Hall {
  constructor(plan) {
    this.plan = plan;
    this.seats = [];
    this.sections = [];
    this.prices = new Map(plan.grades.map(grade => [grade.grade, grade.price]));
    this.#place(plan.sections);
    this.seats.sort((a, b) => a.seatNo - b.seatNo);
    this.#measure();
    this.#index();
  }

  seat(seatNo) {
    return this.seats[seatNo - this.seats[0].seatNo];
  }

  /** The nearest seat within a distance, or null. */
  at(x, y, distance = 0.5) {
    let best = null, bestDistance = distance ** 2;
    for (const seat of this.near(x - distance, y - distance, x + distance, y + distance)) {
      const apart = (seat.x - x) ** 2 + (seat.y - y) ** 2;
      if (apart <= bestDistance) {
        [best, bestDistance] = [seat, apart];
      }
    }

    return best;
  }

  /** The seats in a rectangle, and a few around it. */
  * near(left, top, right, bottom) {
    const column = x => Math.max(0, Math.min(this.columns - 1, Math.floor((x - this.left) / this.cell)));
    const line = y => Math.max(0, Math.min(this.lines - 1, Math.floor((y - this.top) / this.cell)));
    for (let row = line(top); row <= line(bottom); row++) {
      for (let at = column(left); at <= column(right); at++) {
        yield* this.cells[row * this.columns + at] ?? [];
      }
    }
  }

  /** The seat that an arrow key leads to. */
  neighbour(seat, dx, dy) {
    if (dx !== 0) {
      const beside = seat.row.seats[seat.row.seats.indexOf(seat) + dx];
      if (beside) {
        return beside;
      }
    }

    // Beyond the row: the nearest one that lies within 60 degrees of the direction.
    let best = null, least = Infinity;
    for (const other of this.seats) {
      const [x, y] = [other.x - seat.x, other.y - seat.y];
      const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
      if (other.row !== seat.row && along > 0.05 && across <= along * 1.8) {
        const cost = along + across * 2;
        if (cost < least) {
          [best, least] = [other, cost];
        }
      }
    }

    return best ?? seat;
  }

  #place(sections) {
    const given = sections.filter(section => section.layout);
    const drawn = given.length > 1 && given.every(({ layout }) => layout.x === given[0].layout.x && layout.y === given[0].layout.y)
      ? [] : given;
    let bottom = 3;
    for (const section of drawn) {
      bottom = Math.max(bottom, this.#add(section, section.layout));
    }

    // Those without a place of their own follow, one behind the other.
    for (const section of sections.filter(other => !drawn.includes(other))) {
      const width = Math.max(...rowsOf(section).map(row => row.labels.length)) * seatPitch;
      bottom = this.#add(section, { x: -width / 2, y: bottom + 1.5, angle: 0, curve: 0 }, plainRowPitch);
    }
  }

  /** @returns where it ends, from the stage */
  #add(source, layout, pitch = rowPitch) {
    const rows = rowsOf(source);
    const widest = Math.max(...rows.map(row => row.labels.length));
    const half = widest * seatPitch / 2;
    const angle = (layout.angle ?? 0) * Math.PI / 180;
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    const [frontX, frontY] = [layout.x + half, layout.y];
    const section = {
      name: source.section, grade: source.grade, price: this.prices.get(source.grade) ?? 0, look: this.#look(source.grade), rows: [],
    };
    let deepest = layout.y;
    const byName = new Map();
    rows.forEach((line, depth) => {
      const row = byName.get(line.row) ?? { name: line.row, section, seats: [] };
      if (!byName.has(line.row)) {
        byName.set(line.row, row);
        section.rows.push(row);
      }

      line.labels.forEach((label, index) => {
        const u = (index - (line.labels.length - 1) / 2) * seatPitch;
        // The ends of a row bend towards the stage.
        const v = depth * pitch - (layout.curve ?? 0) * half * (u / (half || 1)) ** 2;
        const seat = {
          seatNo: line.firstSeatNo + index, label, row, section,
          x: frontX + u * cosine - v * sine, y: frontY + u * sine + v * cosine,
        };
        row.seats.push(seat);
        this.seats.push(seat);
        deepest = Math.max(deepest, seat.y);
      });
    });
    section.x = frontX - rows.length / 2 * pitch * sine;
    section.y = frontY + rows.length / 2 * pitch * cosine;
    section.top = { x: frontX + 1.1 * sine, y: frontY - 1.1 * cosine };
    this.sections.push(section);
    return deepest;
  }

  #look(grade) {
    return `A${Math.max(0, this.plan.grades.findIndex(item => item.grade === grade)) % 6}`;
  }

  #measure() {
    this.left = this.top = Infinity;
    this.right = this.bottom = -Infinity;
    for (const { x, y } of this.seats) {
      this.left = Math.min(this.left, x);
      this.right = Math.max(this.right, x);
      this.top = Math.min(this.top, y);
      this.bottom = Math.max(this.bottom, y);
    }

    const height = this.bottom - this.top;
    const least = this.sections.some(section => section.name) ? 1.6 : 0.8; // room for the names before the first rows
    const [depth, gap] = [Math.max(0.5, height / 25), Math.max(least, Math.min(1.8, height / 12))];
    this.stage = { width: Math.max(4, (this.right - this.left) * 0.4), depth, x: (this.left + this.right) / 2, y: this.top - gap - depth };
  }

  #index() {
    this.cell = 2;
    this.columns = Math.floor((this.right - this.left) / this.cell) + 1;
    this.lines = Math.floor((this.bottom - this.top) / this.cell) + 1;
    this.cells = [];
    for (const seat of this.seats) {
      const at = Math.floor((seat.y - this.top) / this.cell) * this.columns + Math.floor((seat.x - this.left) / this.cell);
      (this.cells[at] ??= []).push(seat);
    }
  }
}

/** A row far too long to be one is drawn as several: a schedule without a hall is a single row of all its seats. */
function rowsOf(section) {
  return section.rows.flatMap(row => {
    if (row.labels.length <= 60 && (row.row !== '' || row.labels.length <= 20)) {
      return [row];
    }

    const size = Math.min(200, Math.max(10, Math.ceil(Math.sqrt(row.labels.length * 2) / 5) * 5));
    return Array.from({ length: Math.ceil(row.labels.length / size) }, (_, index) => ({
      row: row.row, firstSeatNo: row.firstSeatNo + index * size, labels: row.labels.slice(index * size, (index + 1) * size),
    }));
  });
}
