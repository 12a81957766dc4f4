(function () {
  "use strict";
  var drawn = [];

  function colour(index) {
    return getComputedStyle(document.documentElement).getPropertyValue("--series-" + index).trim();
  }

  function ink(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function clock(seconds) {
    var minutes = Math.round(seconds / 60);
    return Math.floor(minutes / 60) + ":" + String(minutes % 60).padStart(2, "0");
  }

  function timeStep(span) {
    var steps = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    return steps.find(function (step) { return span / step <= 8; }) || 86400 * Math.ceil(span / 86400 / 8);
  }

  function points(series) {
    return series.x.map(function (x, i) {
      return { x: x, y: series.y[i] === null ? NaN : series.y[i], n: series.n ? series.n[i] : 0 };
    });
  }

  /* Least distance of neighbours: the width of a tile. */
  function pitch(spec, key) {
    var all = spec.series.reduce(function (so_far, series) { return series.dashed ? so_far : so_far.concat(series[key]); }, []);
    all.sort(function (a, b) { return a - b; });
    var least = Infinity;
    for (var i = 1; i < all.length; i++) {
      if (all[i] - all[i - 1] > 1e-9) { least = Math.min(least, all[i] - all[i - 1]); }
    }
    return isFinite(least) ? least : 1;
  }

  /* Tiles are drawn by hand: a point's shape is square, a tile fills its place in the grid. Few decisions, small tile. */
  function tiles(spec) {
    var width = pitch(spec, "x");
    var height = pitch(spec, "y");
    return {
      id: "tiles",
      beforeDatasetsDraw: function (chart) {
        chart.data.datasets.forEach(function (set, index) {
          if (set.type !== "scatter" || !chart.isDatasetVisible(index)) { return; }
          chart.ctx.fillStyle = set.backgroundColor;
          set.data.forEach(function (point) {
            var side = 0.95 * Math.min(1, 0.3 + 0.25 * Math.log10(point.n || 1000));
            var left = chart.scales.x.getPixelForValue(point.x - width * side / 2);
            var right = chart.scales.x.getPixelForValue(point.x + width * side / 2);
            var top = chart.scales.y.getPixelForValue(point.y + height * side / 2);
            var bottom = chart.scales.y.getPixelForValue(point.y - height * side / 2);
            chart.ctx.fillRect(left, top, right - left, bottom - top);
          });
        });
      }
    };
  }

  function lineSet(series) {
    return {
      type: "line", label: series.name, data: points(series), yAxisID: series.second_axis ? "y2" : "y",
      borderColor: colour(series.colour) + (series.faint ? "66" : ""), borderWidth: series.faint ? 1 : 1.8,
      borderDash: series.dashed ? [6, 4] : [], stepped: series.stepped ? "before" : false,
      backgroundColor: colour(series.colour) + (series.filled ? "26" : ""), fill: series.filled ? "origin" : false,
      pointRadius: 0, pointHitRadius: 6, pointStyle: "line", hidden: !!series.hidden, order: series.filled || series.faint ? 2 : 1
    };
  }

  function pointSet(spec, series) {
    var tiled = spec.kind === "map";
    return {
      type: "scatter", label: series.name, data: points(series), yAxisID: "y", hidden: !!series.hidden,
      backgroundColor: colour(series.colour), borderColor: ink("--paper"), borderWidth: tiled ? 0 : 1,
      pointStyle: tiled ? "rect" : "circle", radius: tiled ? 0 : 7, hitRadius: tiled ? 9 : 1, hoverRadius: tiled ? 0 : 9
    };
  }

  function dataSet(spec, series) {
    return spec.kind === "line" || series.dashed ? lineSet(series) : pointSet(spec, series);
  }

  function extreme(spec, key, pick) {
    return spec.series.reduce(function (so_far, series) {
      return series[key].reduce(function (a, b) { return b === null ? a : pick(a, b); }, so_far);
    }, pick === Math.min ? Infinity : -Infinity);
  }

  function axis(title, more) {
    return Object.assign({
      type: "linear", title: { display: true, text: title, color: ink("--soft-ink") },
      ticks: { color: ink("--soft-ink"), maxRotation: 0, autoSkipPadding: 12 }, grid: { color: ink("--line") }
    }, more);
  }

  /* 1, 2 and 5 of every decade; over many decades only the decades. */
  function logTicks(low, high) {
    var ticks = [];
    var steps = high / low > 1e4 ? [1] : [1, 2, 5];
    for (var decade = Math.pow(10, Math.floor(Math.log10(low))); decade <= high; decade *= 10) {
      steps.forEach(function (step) {
        if (step * decade >= low && step * decade <= high) { ticks.push({ value: step * decade }); }
      });
    }
    return ticks;
  }

  function scales(spec) {
    var x = axis(spec.x_title, {});
    if (spec.kind === "line") {
      x.max = extreme(spec, "x", Math.max);
      x.min = spec.x_is_time ? extreme(spec, "x", Math.min) : 0;
      x.ticks.includeBounds = false;
      x.ticks.callback = function (value) { return value.toLocaleString("en", { notation: "compact" }); };
    }
    if (spec.kind === "map") {
      x.min = extreme(spec, "x", Math.min) - pitch(spec, "x") / 2;
      x.max = extreme(spec, "x", Math.max) + pitch(spec, "x") / 2;
    }
    if (spec.x_is_time) {
      x.afterBuildTicks = function (built) {
        var step = timeStep(x.max - x.min);
        built.ticks = [];
        for (var t = Math.ceil(x.min / step) * step; t <= x.max; t += step) { built.ticks.push({ value: t }); }
      };
      x.ticks.callback = clock;
    }
    var all = { x: x, y: axis(spec.y_title, spec.y_from_zero ? { beginAtZero: true } : {}) };
    if (spec.kind === "map") {
      all.y.min = extreme(spec, "y", Math.min) - pitch(spec, "y") / 2;
      all.y.max = extreme(spec, "y", Math.max) + pitch(spec, "y") / 2;
      all.x.ticks.includeBounds = all.y.ticks.includeBounds = false;
    }
    if (spec.y_is_log) {
      all.y.type = "logarithmic";
      all.y.bounds = "data";
      all.y.afterDataLimits = function (scale) { scale.min *= 0.9; scale.max *= 1.1; };
      all.y.afterBuildTicks = function (scale) { scale.ticks = logTicks(scale.min, scale.max); };
      all.y.ticks.autoSkip = false;
      all.y.ticks.callback = function (value) { return value.toLocaleString("en"); };
    }
    if (spec.y2_title) {
      all.y2 = axis(spec.y2_title, { position: "right", beginAtZero: true });
      all.y2.grid = { drawOnChartArea: false };
    }
    return all;
  }

  function tooltip(spec) {
    return {
      callbacks: {
        title: function (items) {
          if (!items.length || spec.kind !== "line") { return ""; }
          return spec.x_title + " " + (spec.x_is_time ? clock(items[0].parsed.x) : items[0].parsed.x.toLocaleString("en"));
        },
        label: function (item) {
          var number = function (value) { return Number(value.toPrecision(4)).toLocaleString("en"); };
          var place = spec.kind === "line" ? number(item.parsed.y)
            : spec.x_title + " " + number(item.parsed.x) + ", " + spec.y_title + " " + number(item.parsed.y);
          return item.dataset.label + ": " + place + (item.raw.n ? ", " + number(item.raw.n) + " decisions" : "");
        }
      }
    };
  }

  function draw(canvas) {
    var spec = JSON.parse(document.getElementById(canvas.id + "-data").textContent);
    return new Chart(canvas, {
      type: spec.kind === "line" ? "line" : "scatter",
      plugins: spec.kind === "map" ? [tiles(spec)] : [],
      data: { datasets: spec.series.map(function (series) { return dataSet(spec, series); }) },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: spec.kind === "line" ? { mode: "nearest", axis: "x", intersect: false } : { mode: "nearest", intersect: true },
        scales: scales(spec),
        plugins: {
          legend: { display: spec.series.length > 1, position: "bottom",
            labels: Object.assign({ color: ink("--ink"), boxWidth: 9, boxHeight: 9, usePointStyle: true },
              spec.kind === "line" ? { pointStyleWidth: 26 } : {}) },
          tooltip: tooltip(spec)
        }
      }
    });
  }

  function drawAll() {
    drawn.forEach(function (chart) { chart.destroy(); });
    drawn = Array.prototype.map.call(document.querySelectorAll("canvas"), draw);
    document.documentElement.dataset.charts = String(drawn.length);
  }

  /* The address REPORT#picture is the page on one screen: verdict and figures, nothing to read at length. */
  document.documentElement.classList.toggle("picture", window.location.hash === "#picture");
  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  window.addEventListener("resize", function () { drawn.forEach(function (chart) { chart.resize(); }); });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (block) { block.open = true; });
    drawn.forEach(function (chart) { chart.resize(); });
  });
})();
